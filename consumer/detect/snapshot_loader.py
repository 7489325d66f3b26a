"""Restores a table from its frames, the newest first: a row that is already known is not loaded again.

So each row is written once, however often it changed, and a frame whose rows are all known is skipped.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.detect.activity_batch import keys
from consumer.detect.lapse_rules import NEVER
from consumer.detect.snapshot import LATEST_TIME, NUMBER_COLUMNS, PAGE, SCHEMA, TRACE_COLUMN, DamagedState
from consumer.detect.storage.hash_index import Rows
from consumer.detect.storage.row_store import ENDED, RETURNED, Flags
from consumer.detect.storage.traces import TRACE
from consumer.detect.table import Table
from consumer.records import Ending

_NUMBERS_KNOWN, _USER_KNOWN, _ACTION_KNOWN = np.uint8(1), np.uint8(2), np.uint8(4)
_ALL_KNOWN = np.uint8(7)
_NEVER_NULL = ("row", "live", "process", "has_action", *NUMBER_COLUMNS)
_BLOCK_ROWS = 1 << 15  # rows handled at a time, so that intermediate arrays stay in the processor's cache


class Loader:
    """Fills an empty table. All methods may raise DamagedState."""

    def __init__(self, table: Table, pages: int) -> None:
        """`pages` is the number of pages of the stored table: no frame holds a row behind them."""
        if not 0 <= pages <= np.iinfo(np.int32).max // PAGE:
            raise DamagedState(f"no table has {pages} pages")
        self._table = table
        self._known = np.zeros(pages * PAGE, np.uint8)
        self._users: list[tuple[Rows, pl.Series]] = []
        self._actions: list[tuple[Rows, pl.Series]] = []

    def page(self, start: int, end: int, frame: pl.DataFrame, processes: Sequence[str]) -> None:
        """Load all live rows of a range within one page; `processes` are the names of its process codes."""
        if not start < end <= self._known.size or start // PAGE != (end - 1) // PAGE:
            raise DamagedState(f"the rows {start} to {end} are of no page")
        self._load(frame, processes, start, end)
        self._known[start:end] = _ALL_KNOWN

    def changes(self, frame: pl.DataFrame, processes: Sequence[str]) -> None:
        """Load a delta, or a part of one."""
        self._load(frame, processes, 0, self._known.size)

    def flush_texts(self) -> None:
        """Store the collected texts in the table; until then their frames stay in memory."""
        c = self._table.store
        if self._users:
            rows, users = _concatenate(self._users)
            c.low[rows], c.high[rows] = keys(*self._table.loops.hash_users(users), c.process[rows])
            c.user.put(rows, users)
        if self._actions:
            c.action.put(*_concatenate(self._actions))
        self._users, self._actions = [], []

    def finish(self, ladders: Mapping[str, Sequence[Millis]]) -> None:
        """Finish after the last frame: check and index the rows, and find their next steps in ladders that changed.

        `ladders` are those of the newest frame.
        """
        self.flush_texts()
        table, c = self._table, self._table.store
        live = c.rebuild_free_list()
        if c.user.is_none(live).any():
            raise DamagedState("rows without a user: a segment is missing")
        for name, now in table.processes.rules.ladders.items():
            if name in ladders and list(ladders[name]) != list(now):
                _convert_steps(table, live[c.process[live] == table.processes.code(name)], ladders[name], now)
        table.reindex()
        for first in range(0, live.size, _BLOCK_ROWS):
            table.row_rules.schedule(live[first : first + _BLOCK_ROWS])

    def _load(self, frame: pl.DataFrame, processes: Sequence[str], start: int, end: int) -> None:
        if frame.is_empty():
            return
        rows = _checked(frame, start, end)
        at = _as_slice(rows)
        known = self._known[at]
        if (known == _ALL_KNOWN).all():
            return
        live = frame["live"].to_numpy()
        self._load_numbers(frame, processes, rows, live & (known & _NUMBERS_KNOWN == 0))
        known |= _NUMBERS_KNOWN
        user, has_action = frame["user"], frame["has_action"].to_numpy()
        if has_action.any() or user.null_count() < user.len():
            has_user, has_action = _not_null(user) & live, has_action & live
            _collect(self._users, rows, user, has_user & (known & _USER_KNOWN == 0))
            _collect(self._actions, rows, frame["action"], has_action & (known & _ACTION_KNOWN == 0))
            known |= has_user * _USER_KNOWN | has_action * _ACTION_KNOWN
        known[~live] = _ALL_KNOWN  # dropped: earlier frames of it no longer count
        self._known[at] = known

    def _load_numbers(self, frame: pl.DataFrame, processes: Sequence[str], rows: Rows, which: Flags) -> None:
        c, codes = self._table.store, frame["process"].to_numpy()
        if codes.max() >= len(processes):
            raise DamagedState("it holds rows of a process that it does not name")
        places = slice(None) if which.all() else np.flatnonzero(which)  # slices need no copy
        rows = rows[places]
        if not rows.size:
            return
        if rows[-1] >= c.capacity:  # for all pages at once, unless that is far more than the rows seen so far
            c.reserve(min(self._known.size, 2 * int(rows[-1]) + 1))
        c.used = max(c.used, int(rows[-1]) + 1)
        at = _as_slice(rows)
        c.live[at] = True
        c.process[at] = np.array([self._table.processes.code(name) for name in processes], np.uint16)[codes[places]]
        for name in NUMBER_COLUMNS:
            getattr(c, name)[at] = frame[name].to_numpy()[places]
        if TRACE_COLUMN in frame.columns:
            found = np.array(frame[TRACE_COLUMN].to_list(), TRACE)[places]
            if c.traces is not None or found.any():
                c.keep_traces()[at] = found


def _checked(frame: pl.DataFrame, start: int, end: int) -> Rows:
    """Return the rows of a frame; checks that they are distinct, in order and within the range."""
    schema = dict(frame.schema)
    if schema.pop(TRACE_COLUMN, None) is not None:
        _check_traces(frame[TRACE_COLUMN])
    if schema != SCHEMA or any(frame[name].null_count() for name in _NEVER_NULL):
        raise DamagedState("its columns are not those of a table")
    rows = frame["row"].to_numpy()
    if rows[0] < start or rows[-1] >= end or not (rows[1:] > rows[:-1]).all():
        raise DamagedState(f"it is of the rows {start} to {end}, and holds others, or not in order")
    _check_values(frame)
    return rows.astype(np.int64)


def _check_values(frame: pl.DataFrame) -> None:
    """Raise DamagedState for numbers that no table can hold."""
    limits: dict[str, tuple[int, int]] = {
        **dict.fromkeys(("last_seen", "closed", "heard", "asked_seen"), (-LATEST_TIME, LATEST_TIME)),
        "asked_after": (0, LATEST_TIME),
        "reported": (0, RETURNED | ENDED),
        "ending": (0, max(Ending)),
    }
    for name, (least, greatest) in limits.items():
        values = frame[name].to_numpy()
        if values.max() > greatest or (values.min() < least and values[values != NEVER].min(initial=least) < least):
            raise DamagedState(f"its column {name} holds a value that none can have")


def _check_traces(found: pl.Series) -> None:
    if found.dtype != pl.Binary or found.null_count() or (found.bin.size() > TRACE.itemsize).any():
        raise DamagedState("its traces are none that a table can hold")


def _as_slice(rows: Rows) -> slice | Rows:
    """Return ordered rows as a slice if they have no gap, which numpy handles fastest."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == rows.size else rows


def _not_null(texts: pl.Series) -> Flags:
    missing = texts.null_count()
    if missing in (0, texts.len()):
        return np.full(texts.len(), not missing)
    return texts.is_not_null().to_numpy()


def _collect(collected: list[tuple[Rows, pl.Series]], rows: Rows, texts: pl.Series, which: Flags) -> None:
    """Collect the texts of some rows, nulls too unless all are null: a new row has no text anyway."""
    if texts.null_count() == texts.len():
        return
    if which.all():
        collected.append((rows, texts))
    elif which.any():
        collected.append((rows[which], texts.filter(pl.Series(which))))


def _concatenate(collected: list[tuple[Rows, pl.Series]]) -> tuple[Rows, pl.Series]:
    return np.concatenate([rows for rows, _ in collected]), pl.concat([texts for _, texts in collected])


def _convert_steps(table: Table, rows: Rows, before: Sequence[Millis], now: Sequence[Millis]) -> None:
    """Go on behind the longest span that was passed under the ladder of before: step numbers are of one ladder only."""
    passed = np.searchsorted(np.array(now), np.array(before), side="right")
    c = table.store
    c.step[rows] = np.concatenate([[0], passed])[np.minimum(c.step[rows], len(before))]
    c.dirty[rows] = True
