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
    new_user, new_action = (_are_among(of, rows, c.used) for of in (table.new_users, table.new_actions))
    table.new_users, table.new_actions = [], []
    return _frame(table, rows, new_user, new_action)


def read_pages(table: Table, numbers: Sequence[int]) -> Iterator[pl.DataFrame]:
    """Yield for each of these pages its live rows, complete.

    Some are read at once: each polars call costs as much as a thousand rows.
    """
    for first in range(0, len(numbers), _PAGES_AT_ONCE):
        some = [_live_rows(table, number) for number in numbers[first : first + _PAGES_AT_ONCE]]
        rows = np.concatenate(some)
        every = np.ones(rows.size, np.bool_)
        frame = _frame(table, rows, every, every)
        ends = np.cumsum([each.size for each in some])
        yield from (frame.slice(end - each.size, each.size) for each, end in zip(some, ends, strict=True))


def _live_rows(table: Table, page: int) -> Rows:
    start, c = page * PAGE, table.store
    return start + np.flatnonzero(c.live[start : min(start + PAGE, c.used)])


def _frame(table: Table, rows: Rows, with_user: Flags, with_action: Flags) -> pl.DataFrame:
    numbers = table.store.read_columns(rows, ("live", "process", *NUMBER_COLUMNS))
    texts = table.store.read_texts(rows, with_user, with_action)
    frame = pl.DataFrame({"row": rows.astype(np.int32), **numbers, **texts, "has_action": with_action})
    traces = table.store.traces
    return frame if traces is None else frame.with_columns(pl.Series(TRACE_COLUMN, traces[rows].tolist(), pl.Binary))


def _are_among(some: Sequence[Rows], rows: Rows, used: int) -> Flags:
    """Return which of the rows are among some."""
    flags = np.zeros(used, np.bool_)
    for each in some:
        flags[each] = True
    return flags[rows]
