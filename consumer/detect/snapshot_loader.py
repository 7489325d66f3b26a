"""A table from the frames that were kept of it, the newest first: what is known of a row is not looked at again.

So each row is written once, however often it changed, and a frame that later ones have outlived costs a glance.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.detect.activity_batch import keys
from consumer.detect.snapshot import NUMBERS, PAGE, SCHEMA, DamagedState
from consumer.detect.storage.hash_index import Rows
from consumer.detect.storage.row_store import Flags
from consumer.detect.table import Table

_NUMBERS_KNOWN, _USER_KNOWN, _ACTION_KNOWN = np.uint8(1), np.uint8(2), np.uint8(4)
_ALL_KNOWN = np.uint8(7)
_NEVER_NULL = ("row", "live", "process", "spoke", *NUMBERS)
_BLOCK = 1 << 15  # rows looked at in one go: what is worked out about so many stays in the processor's cache


class Loader:
    """Fills an empty table. All calls may raise DamagedState."""

    def __init__(self, table: Table, pages: int) -> None:
        """`pages` is how many the table had: no frame holds a row behind them."""
        if not 0 <= pages <= np.iinfo(np.int32).max // PAGE:
            raise DamagedState(f"no table has {pages} pages")
        self._table = table
        self._known = np.zeros(pages * PAGE, np.uint8)
        self._users: list[tuple[Rows, pl.Series]] = []
        self._actions: list[tuple[Rows, pl.Series]] = []

    def page(self, start: int, end: int, frame: pl.DataFrame, processes: Sequence[str]) -> None:
        """All that lives in a range of rows, which is of one page; `processes` are the names behind its numbers."""
        if not start < end <= self._known.size or start // PAGE != (end - 1) // PAGE:
            raise DamagedState(f"the rows {start} to {end} are of no page")
        self._load(frame, processes, start, end)
        self._known[start:end] = _ALL_KNOWN

    def changes(self, frame: pl.DataFrame, processes: Sequence[str]) -> None:
        """A delta, or a piece of one."""
        self._load(frame, processes, 0, self._known.size)

    def flush_texts(self) -> None:
        """Put the texts that were met into the table; until then their frames are kept."""
        c = self._table.store
        if self._users:
            rows, users = _joined(self._users)
            c.low[rows], c.high[rows] = keys(users.hash(1).to_numpy(), users.hash(2).to_numpy(), c.process[rows])
            c.user.put(rows, users)
        if self._actions:
            c.action.put(*_joined(self._actions))
        self._users, self._actions = [], []

    def finish(self, clock: Millis, ladders: Mapping[str, Sequence[Millis]]) -> None:
        """After the last frame: check the rows, index them, and skip steps that a changed ladder finds already past.

        `clock` and `ladders` are those under which the newest frame was taken.
        """
        self.flush_texts()
        table, c = self._table, self._table.store
        live = c.rebuild_free_list()
        if c.user.is_none(live).any():
            raise DamagedState("rows without a user: a segment is missing")
        for name, now in table.rules.ladders.items():
            if name in ladders and list(ladders[name]) != list(now):
                _skip_what_is_past(table, live[c.process[live] == table.processes.code(name)], clock)
        table.reindex()
        for first in range(0, live.size, _BLOCK):
            table.schedule(live[first : first + _BLOCK])

    def _load(self, frame: pl.DataFrame, processes: Sequence[str], start: int, end: int) -> None:
        if frame.is_empty():
            return
        rows = _checked(frame, start, end)
        at = _span(rows)
        known = self._known[at]
        if (known == _ALL_KNOWN).all():
            return
        live = frame["live"].to_numpy()
        self._take_numbers(frame, processes, rows, live & (known & _NUMBERS_KNOWN == 0))
        known |= _NUMBERS_KNOWN
        user, spoke = frame["user"], frame["spoke"].to_numpy()
        if spoke.any() or user.null_count() < user.len():
            named, spoke = _are_told(user) & live, spoke & live
            _keep(self._users, rows, user, named & (known & _USER_KNOWN == 0))
            _keep(self._actions, rows, frame["action"], spoke & (known & _ACTION_KNOWN == 0))
            known |= named * _USER_KNOWN | spoke * _ACTION_KNOWN
        known[~live] = _ALL_KNOWN  # it left: whatever was told of it before is over
        self._known[at] = known

    def _take_numbers(self, frame: pl.DataFrame, processes: Sequence[str], rows: Rows, which: Flags) -> None:
        c, codes = self._table.store, frame["process"].to_numpy()
        if codes.max() >= len(processes):
            raise DamagedState("it holds rows of a process that it does not name")
        places = slice(None) if which.all() else np.flatnonzero(which)  # a slice costs no copy
        rows = rows[places]
        if not rows.size:
            return
        if rows[-1] >= c.capacity:  # once for all, unless that would be much more than there are rows to be seen
            c.reserve(min(self._known.size, 2 * int(rows[-1]) + 1))
        c.used = max(c.used, int(rows[-1]) + 1)
        at = _span(rows)
        c.live[at] = True
        c.process[at] = np.array([self._table.processes.code(name) for name in processes], np.uint16)[codes[places]]
        for name in NUMBERS:
            getattr(c, name)[at] = frame[name].to_numpy()[places]


def _checked(frame: pl.DataFrame, start: int, end: int) -> Rows:
    """The rows of a frame, which are distinct, in order and within the range."""
    if dict(frame.schema) != SCHEMA or any(frame[name].null_count() for name in _NEVER_NULL):
        raise DamagedState("its columns are not those of a table")
    rows = frame["row"].to_numpy()
    if rows[0] < start or rows[-1] >= end or not (rows[1:] > rows[:-1]).all():
        raise DamagedState(f"it is of the rows {start} to {end}, and holds others, or not in order")
    return rows.astype(np.int64)


def _span(rows: Rows) -> slice | Rows:
    """Rows in order, as numpy finds them quickest: without a gap they are a slice."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == rows.size else rows


def _are_told(texts: pl.Series) -> Flags:
    missing = texts.null_count()
    if missing in (0, texts.len()):
        return np.full(texts.len(), not missing)
    return texts.is_not_null().to_numpy()


def _keep(told: list[tuple[Rows, pl.Series]], rows: Rows, texts: pl.Series, which: Flags) -> None:
    """Note the texts of some rows. (Nulls too, unless there is nothing else: a row has none to begin with.)"""
    if texts.null_count() == texts.len():
        return
    if which.all():
        told.append((rows, texts))
    elif which.any():
        told.append((rows[which], texts.filter(pl.Series(which))))


def _joined(told: list[tuple[Rows, pl.Series]]) -> tuple[Rows, pl.Series]:
    return np.concatenate([rows for rows, _ in told]), pl.concat([texts for _, texts in told])


def _skip_what_is_past(table: Table, rows: Rows, clock: Millis) -> None:
    c = table.store
    quiet = clock - table.rules.allowed_lateness - c.last_seen[rows]
    c.step[rows] = table.processes.latest_lapsed(c.process[rows], quiet) + 1
    c.dirty[rows] = True
