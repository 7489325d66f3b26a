"""W3C Trace Context: the `traceparent` that a record's headers may carry (https://www.w3.org/TR/trace-context/).

What is malformed is ignored, as the recommendation demands: who traces must not lose a record for it.
"""

import re
from collections.abc import Iterable

TRACEPARENT = "traceparent"
"""The header of Kafka records, and of HTTP requests."""

_FORM = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_of(headers: Iterable[tuple[str, bytes | None]] | None) -> str | None:
    """Return the `traceparent` that stands last among a record's headers; None if there is none, or it is malformed."""
    found = None
    for name, value in headers or ():
        if name == TRACEPARENT:
            found = value
    return found.decode() if found is not None and _FORM.fullmatch(found) else None


def trace_id(traceparent: str) -> str:
    """Return the id of the trace: 32 hexadecimal digits."""
    return traceparent[3:35]


def log_fields(traceparent: str | None) -> dict[str, str]:
    """Return `trace_id` for a line of the log, if there is one."""
    return {} if traceparent is None else {"trace_id": trace_id(traceparent)}


def headers_with(traceparent: str | None) -> list[tuple[str, bytes]]:
    """Return the headers of a record that carries on this context, if there is one."""
    return [] if traceparent is None else [(TRACEPARENT, traceparent.encode())]
