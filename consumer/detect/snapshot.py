"""A table as frames to be stored: deltas of changed rows, and pages of complete rows.

A delta holds the rows that changed, with a user if the row is new and an action if one was set; other texts are in
earlier frames. A page holds every live row of its range, complete, and replaces the range. All frames since each page
was last written restore the table (`detect/snapshot_loader.py`).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.detect.storage.hash_index import Rows
from consumer.detect.storage.row_store import Flags
from consumer.detect.table import Table

PAGE = 8192
"""Rows in a page."""
_PAGES_AT_ONCE = 4  # 32,768 rows, as a chunk of a delta has

_NUMBERS = {
    "last_seen": pl.Int64,
    "closed": pl.Int64,
    "heard": pl.Int64,
    "step": pl.UInt8,
    "asked_seen": pl.Int64,
    "asked_after": pl.Int64,
    "asked_step": pl.UInt8,
    "reported": pl.UInt8,
    "ending": pl.UInt8,
    "ending_last": pl.Boolean,
}
NUMBER_COLUMNS = tuple(_NUMBERS)
"""The numbers and flags of a row, in the order of the frames."""

SCHEMA = {
    "row": pl.Int32,
    "live": pl.Boolean,
    "process": pl.UInt16,
    **_NUMBERS,
    "user": pl.String,
    "action": pl.String,
    "has_action": pl.Boolean,
}
"""The columns of every frame."""
TRACE_COLUMN = "trace"
"""One more column, of bytes, where there are trace contexts (`storage/traces.py`)."""

LATEST_TIME: Millis = 1 << 53
"""No time or span in a state is greater, so that sums of them cannot overflow."""


class DamagedState(Exception):
    """Frames from which no table can be restored; `where` names the frame, if it is known."""

    def __init__(self, problem: str, where: str = "") -> None:
        super().__init__(problem)
        self.where = where


def pages(table: Table) -> int:
    """Return the number of pages of the table."""
    return -(-table.store.used // PAGE)


def take_changes(table: Table) -> pl.DataFrame:
    """Return the rows that changed since the last call, including those that were dropped (not `live`)."""
    c = table.store
    rows = np.flatnonzero(c.dirty[: c.used])
    c.dirty[rows] = False
    user, _ = _latest(table.new_users, rows, c.used)
    action, has_action = _latest(table.new_actions, rows, c.used)
    table.new_users, table.new_actions = [], []
    return _frame(table, rows, user, action, has_action)


def read_pages(table: Table, numbers: Sequence[int]) -> Iterator[pl.DataFrame]:
    """Yield for each of these pages its live rows, complete.

    Some are read at once: each polars call costs as much as a thousand rows.
    """
    for first in range(0, len(numbers), _PAGES_AT_ONCE):
        some = [_live_rows(table, number) for number in numbers[first : first + _PAGES_AT_ONCE]]
        rows = np.concatenate(some)
        frame = _frame(table, rows, **table.store.read_texts(rows), has_action=np.ones(rows.size, np.bool_))
        ends = np.cumsum([each.size for each in some])
        yield from (frame.slice(end - each.size, each.size) for each, end in zip(some, ends, strict=True))


def _live_rows(table: Table, page: int) -> Rows:
    start, c = page * PAGE, table.store
    return start + np.flatnonzero(c.live[start : min(start + PAGE, c.used)])


def _frame(table: Table, rows: Rows, user: pl.Series, action: pl.Series, has_action: Flags) -> pl.DataFrame:
    numbers = table.store.read_columns(rows, ("live", "process", *NUMBER_COLUMNS))
    texts = {"user": user, "action": action, "has_action": has_action}
    frame = pl.DataFrame({"row": rows.astype(np.int32), **numbers, **texts})
    traces = table.store.traces
    return frame if traces is None else frame.with_columns(pl.Series(TRACE_COLUMN, traces[rows].tolist(), pl.Binary))


def _latest(stored: list[tuple[Rows, pl.Series]], rows: Rows, used: int) -> tuple[pl.Series, Flags]:
    """Return the last text stored for each of the rows, and whether there was one."""
    if not stored:
        return pl.Series([None], dtype=pl.String).new_from_index(0, rows.size), np.zeros(rows.size, np.bool_)
    places = np.full(used, -1, np.int32)
    every = np.concatenate([of for of, _ in stored])
    places[every] = np.arange(every.size)  # of several for one row the last one stays
    found = places[rows]
    texts = pl.concat([texts for _, texts in stored])
    return texts.gather(pl.Series(found).set(pl.Series(found < 0), None)), found >= 0
