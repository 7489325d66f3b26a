"""Trace contexts as a column: `trace_context.traceparent_of` in 25 bytes each, no bytes where there is none."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from consumer.detect.storage.hash_index import Rows
from consumer.trace_context import traceparent_of

Traces = npt.NDArray[np.bytes_]
TRACE = np.dtype("S25")
"""Trace id, span id and flags. (Zero bytes at the end, which numpy leaves out, are a part of the flags at most.)"""
NO_TRACE = b""


def traces_of(headers: Iterable[Sequence[tuple[str, bytes | None]] | None]) -> Traces | None:
    """Return the trace context of each record's headers; None if no record has one."""
    found = [traceparent_of(each) if each else None for each in headers]
    return np.array([NO_TRACE if each is None else _packed(each) for each in found], TRACE) if any(found) else None


def put_greater(kept: Traces, rows: Rows, traces: Traces) -> None:
    """Replace what is kept in each row by what is greater, of several for one row by the greatest."""
    greater = np.flatnonzero(traces > kept[rows])
    greater = greater[np.argsort(traces[greater])]  # numpy keeps the last of several
    kept[rows[greater]] = traces[greater]


def traceparents(traces: Traces) -> list[str | None]:
    """Return the `traceparent` of each, None where there is none."""
    return [_text(each.ljust(TRACE.itemsize, b"\0")) if each else None for each in traces.tolist()]


def _packed(traceparent: str) -> bytes:
    return bytes.fromhex(traceparent[3:].replace("-", " "))


def _text(packed: bytes) -> str:
    return f"00-{packed[:16].hex()}-{packed[16:24].hex()}-{packed[24:].hex()}"
