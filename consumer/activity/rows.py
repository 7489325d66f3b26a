"""Activities as rows: what reading a batch gives, whatever its format."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from consumer.activity.errors import BadRecord, Problem
from consumer.clock import Millis
from consumer.records import Kind

CLOSING = frozenset({Kind.COMPLETED.value, Kind.CANCELLED.value})
"""Kinds that close a process. Every other word, known or not, is a sign of life (see user_activity.avsc)."""

COLUMNS: Mapping[str, Any] = {
    "index": pl.UInt32,  # position in the batch
    "user_id": pl.String,
    "process": pl.String,
    "closes": pl.Boolean,
    "action": pl.String,
    "occurred_at": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class Bad:
    """A value that could not be read: its position in the batch, a label, and what to do about it."""

    index: int
    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch that was read but not judged: `frame` has COLUMNS, ordered by index; anything but index may be null."""

    frame: pl.DataFrame
    bad: list[Bad]


EMPTY = Problem("empty_value", "the record has no value, and an activity cannot be deleted: let its producer send one")

Row: TypeAlias = tuple[str | None, str | None, bool | None, str | None, Millis | None]
"""One row without its index."""

Read: TypeAlias = Callable[[Sequence[bytes | None]], Rows]


def rows_of(values: Sequence[bytes | None], indices: Sequence[int], read: Callable[[bytes], Row]) -> Rows:
    """Read these values of a batch one at a time; `read` raises BadRecord."""
    rows: list[tuple[Any, ...]] = []
    bad: list[Bad] = []
    for index in indices:
        try:
            rows.append((index, *read(given(values[index]))))
        except BadRecord as problem:
            bad.append(Bad(index, problem.reason, problem.error))
    return Rows(pl.DataFrame(rows, schema=COLUMNS, orient="row"), bad)


def given(value: bytes | None) -> bytes:
    """A value that is there. Raises BadRecord (empty_value)."""
    if not value:
        raise BadRecord(*EMPTY)
    return value


def closes(kind: str) -> bool:
    return kind.upper() in CLOSING
