"""A table as frames to keep and to load: what changed, and pages of whole rows.

A delta holds the rows that changed, with a user where the row was filled and an action where one was set; texts it
leaves out are those of earlier frames. A page holds every live row of its range, whole, and replaces it. Loading
frames in the order they were taken rebuilds the table, wherever one starts, once each page has been met.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.detect.activities import keys
from consumer.detect.columns import Columns, Flags
from consumer.detect.index import Rows
from consumer.detect.table import Table

PAGE = 8192
"""Rows in a page."""

_NUMBERS = ("last_seen", "closed", "step", "asked_seen", "asked_step", "told")


class DamagedState(Exception):
    """Frames that do not make a table; `where` says which of them, if it is known."""

    def __init__(self, problem: str, where: str = "") -> None:
        super().__init__(problem)
        self.where = where


def pages(table: Table) -> int:
    """How many pages the table has."""
    return -(-table.columns.used // PAGE)


def take_changes(table: Table) -> pl.DataFrame:
    """The rows that changed since this was last asked, and those that left (not `live`)."""
    c = table.columns
    rows = np.flatnonzero(c.dirty[: c.used])
    c.dirty[rows] = False
    user, _ = _latest(table.named, rows, c.used)
    action, spoke = _latest(table.spoken, rows, c.used)
    table.named, table.spoken = [], []
    return _frame(table, rows, user, action, spoke)


def rows_between(table: Table, start: int, end: int) -> pl.DataFrame:
    """The live rows of a range, whole."""
    c = table.columns
    rows = start + np.flatnonzero(c.live[start : min(end, c.used)])
    user, action = (pl.Series(texts.get(rows), dtype=pl.String) for texts in (c.user, c.action))
    return _frame(table, rows, user, action, np.ones(rows.size, np.bool_))


def load_rows(table: Table, start: int, end: int, frame: pl.DataFrame, processes: Sequence[str]) -> None:
    """Replace the rows of a range. Raises DamagedState."""
    c = table.columns
    c.reserve(end)
    c.used = max(c.used, end)
    kept = frame["row"].to_numpy()
    if kept.size and (kept.min() < start or kept.max() >= end):
        raise DamagedState(f"it is of the rows {start} to {end}, and holds others")
    gone = np.ones(end - start, np.bool_)
    gone[kept - start] = False
    _clear(c, start + np.flatnonzero(gone))
    load_changes(table, frame, processes)


def load_changes(table: Table, frame: pl.DataFrame, processes: Sequence[str]) -> None:
    """Apply a delta, or the rows of a page; `processes` are the names behind its numbers. Raises DamagedState."""
    if frame.is_empty():
        return
    c = table.columns
    rows, live = frame["row"].to_numpy().astype(np.int64), frame["live"].to_numpy()
    c.reserve(int(rows.max()) + 1)
    c.used = max(c.used, int(rows.max()) + 1)
    if not live.all():
        _clear(c, rows[~live])
        frame, rows = frame.filter(pl.Series(live)), rows[live]
    numbers = frame["process"].to_numpy()
    if numbers.size and numbers.max() >= len(processes):
        raise DamagedState("it holds rows of a process that it does not name")
    c.process[rows] = np.array([table.processes.code(name) for name in processes], np.uint16)[numbers]
    c.live[rows] = True
    for name in _NUMBERS:
        getattr(c, name)[rows] = frame[name].to_numpy()
    _load_users(table, *_told(rows, frame["user"], frame["user"].is_not_null()))
    c.action.put(*_told(rows, frame["action"], frame["spoke"]))


def _told(rows: Rows, texts: pl.Series, which: pl.Series) -> tuple[Rows, pl.Series]:
    """The rows and texts for which `which` holds."""
    return (rows, texts) if which.all() else (rows[which.to_numpy()], texts.filter(which))


def finish(table: Table, clock: Millis, ladders: Mapping[str, Sequence[Millis]]) -> None:
    """After the last frame: check the rows, index them, and skip steps that a changed ladder finds already past.

    `clock` and `ladders` are those under which the last frame was taken. Raises DamagedState.
    """
    c = table.columns
    live = c.settle()
    if c.user.is_none(live).any():
        raise DamagedState("rows without a user: a segment is missing")
    for name, now in table.rules.ladders.items():
        if name in ladders and list(ladders[name]) != list(now):
            _skip_what_is_past(table, live[c.process[live] == table.processes.code(name)], clock)
    table.reindex()
    table.schedule(live)


def _skip_what_is_past(table: Table, rows: Rows, clock: Millis) -> None:
    c = table.columns
    quiet = clock - table.rules.allowed_lateness - c.last_seen[rows]
    c.step[rows] = table.processes.latest_lapsed(c.process[rows], quiet) + 1
    c.dirty[rows] = True


def _load_users(table: Table, rows: Rows, users: pl.Series) -> None:
    if not rows.size:
        return
    c = table.columns
    low, high = keys(users.hash(1).to_numpy(), users.hash(2).to_numpy(), c.process[rows])
    # The same user told again is left where it is: a long run of deltas would fill the buffer with copies.
    other = (c.low[rows] != low) | (c.high[rows] != high) | c.user.is_none(rows)
    c.low[rows], c.high[rows] = low, high
    if other.any():
        c.user.put(*_told(rows, users, pl.Series(other)))


def _clear(c: Columns, rows: Rows) -> None:
    c.blank(rows)
    c.user.clear(rows)
    c.action.clear(rows)


def _frame(table: Table, rows: Rows, user: pl.Series, action: pl.Series, spoke: Flags) -> pl.DataFrame:
    c = table.columns
    numbers = {name: getattr(c, name)[rows] for name in ("live", "process", *_NUMBERS)}
    return pl.DataFrame({"row": rows.astype(np.int32), **numbers, "user": user, "action": action, "spoke": spoke})


def _latest(told: list[tuple[Rows, pl.Series]], rows: Rows, used: int) -> tuple[pl.Series, Flags]:
    """For each of the rows what was last told of it, and whether anything was."""
    if not told:
        return pl.Series([None], dtype=pl.String).new_from_index(0, rows.size), np.zeros(rows.size, np.bool_)
    places = np.full(used, -1, np.int32)
    every = np.concatenate([of for of, _ in told])
    places[every] = np.arange(every.size)  # of several for one row the last stays
    found = places[rows]
    texts = pl.concat([texts for _, texts in told])
    return texts.gather(pl.Series(found).set(pl.Series(found < 0), None)), found >= 0
