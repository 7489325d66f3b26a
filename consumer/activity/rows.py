"""The rows that a batch is read into, whatever its format."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.activity.errors import BadRecord
from consumer.records import ActivityKind, Ending

SMALL_BATCH_ROWS = 500
"""Rows up to which Python lists are faster than most polars expressions: those cost 0.05 to 0.1 ms each, however few
rows there are, and live batches are small and many."""

_ENDINGS = {ActivityKind.COMPLETED.value: Ending.COMPLETED, ActivityKind.CANCELLED.value: Ending.CANCELLED}


@dataclass(frozen=True, slots=True)
class BadValue:
    """A value that could not be read: its position in the batch, the reason's label, and what to do about it."""

    index: int
    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class RowBatch:
    """A batch that was read and not yet validated: `frame` is ordered by index; all else may be null.

    Its columns are those of the `FieldPaths` it was read by. `ignored` counts values that concern no process, `blank`
    those that are null or empty: tombstones, and nothing else.
    """

    frame: pl.DataFrame
    bad: list[BadValue]
    ignored: int = 0
    blank: int = 0


Row: TypeAlias = tuple[Any, ...]
"""One row in the order of the columns, without the index."""

Elsewhere: TypeAlias = Mapping[str, Sequence[Any]]
"""The fields of events that are not in their values: by name, one for each value; None where there is none."""

ReadOne: TypeAlias = Callable[[bytes, Mapping[str, Any]], Row | None]
"""Reads one value, given what is elsewhere; returns None if it concerns no process. Raises BadRecord."""

ReadBatch: TypeAlias = Callable[[Sequence[bytes | None], Elsewhere], RowBatch]


def read_singly(
    values: Sequence[bytes | None],
    elsewhere: Elsewhere,
    indices: Sequence[int],
    read: ReadOne,
    columns: Mapping[str, Any],
) -> RowBatch:
    """Read these values of a batch one at a time."""
    rows: list[Row] = []
    bad: list[BadValue] = []
    blank = 0
    for index in indices:
        value = values[index]
        if not value:
            blank += 1
            continue
        try:
            row = read(value, {name: found[index] for name, found in elsewhere.items()})
        except BadRecord as problem:
            bad.append(BadValue(index, problem.reason, problem.error))
        else:
            rows += [(index, *row)] if row is not None else []
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return RowBatch(frame, bad, len(indices) - len(rows) - len(bad) - blank, blank)


def merge(rows: RowBatch, singly: Sequence[RowBatch]) -> RowBatch:
    """Merge rows of one batch, in order of their index."""
    if not singly:
        return rows
    frame = pl.concat([rows.frame, *(o.frame for o in singly)]).sort("index")
    bad = rows.bad + [bad for o in singly for bad in o.bad]
    return RowBatch(
        frame, bad, rows.ignored + sum(o.ignored for o in singly), rows.blank + sum(o.blank for o in singly)
    )


def symbols_at(places: npt.NDArray[np.int64], words: Sequence[str]) -> pl.Series:
    """Return the word at each index; null at negative ones."""
    if places.size <= SMALL_BATCH_ROWS:
        return pl.Series([words[place] if place >= 0 else None for place in places.tolist()], dtype=pl.String)
    wanted = pl.Series(places) if (places >= 0).all() else pl.Series(places).set(pl.Series(places < 0), None)
    return pl.Series(words, dtype=pl.String).gather(wanted)


def ending_of(kind: str) -> Ending:
    """Return how a kind, in any case, ends a process. One that is not known counts as activity (user_activity.avsc)."""
    return _ENDINGS.get(kind.upper(), Ending.NONE)
