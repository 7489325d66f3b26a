"""The memory of a table: a row is an index into all of these arrays, which grow and shrink together.

The fields that a batch touches lie side by side, so that each event costs one access to memory, however many keys
there are. Fields that are scanned row after row are columns of their own.
"""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.byte_columns.slices import slice_bytes
from consumer.detect.lapse_rules import ALWAYS, NEVER, Times
from consumer.detect.storage.growable_array import GrowableArray
from consumer.detect.storage.hash_index import Hashes, Rows
from consumer.detect.storage.string_column import StringColumn
from consumer.detect.storage.traces import NO_TRACE, TRACE, Traces
from consumer.records import Ending

Flags = npt.NDArray[np.bool_]
Small = npt.NDArray[np.uint8]

RETURNED = 1  # bits of `reported`: which follow-ups of the asked reminder were written
ENDED = 2

_MIN_ROWS = 1024
_ROWS_READ_AT_ONCE = 4096  # they and their copies stay in the processor's cache
_T = TypeVar("_T", bound=npt.NDArray[Any])

ROW = np.dtype(
    [
        ("low", np.uint64),
        ("high", np.uint64),
        ("last_seen", np.int64),
        ("closed", np.int64),
        ("heard", np.int64),
        ("asked_seen", np.int64),
        ("asked_after", np.int64),
        ("process", np.uint16),
        ("step", np.uint8),
        ("asked_step", np.uint8),
        ("reported", np.uint8),
        ("ending", np.uint8),
        ("ending_last", np.bool_),
        ("live", np.bool_),
    ],
    align=True,
)
"""One row. The fields are told at those of `RowStore`."""
_BLANK = np.array((0, 0, NEVER, NEVER, NEVER, NEVER, 0, 0, 0, 0, 0, Ending.NONE, False, False), ROW)


class _Field(Generic[_T]):
    """One field of all rows as an array."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, columns: "RowStore", owner: type) -> _T:
        return columns.rows[self._name]  # type: ignore[return-value]


class RowStore:
    """Allocates and frees rows. Free rows are blank, and so are rows from `used` on, which were never allocated."""

    low = _Field[Hashes]()
    high = _Field[Hashes]()
    process = _Field[npt.NDArray[np.uint16]]()
    last_seen = _Field[Times]()
    """When the latest activity happened."""
    closed = _Field[Times]()
    """When the latest ending happened."""
    heard = _Field[Times]()
    """When the latest record of an activity was written."""
    step = _Field[Small]()
    asked_seen = _Field[Times]()
    """`last_seen` of the reminder asked for last."""
    asked_after = _Field[Times]()
    """Its rung of the ladder."""
    asked_step = _Field[Small]()
    reported = _Field[Small]()
    ending = _Field[Small]()
    """The kind of the latest ending (`records.Ending`)."""
    ending_last = _Field[Flags]()
    """Of the two events behind `last_seen` and `closed`, the ending was written later."""
    live = _Field[Flags]()

    def __init__(self) -> None:
        self.used = 0
        self.tracked = 0
        self._free: list[Rows] = []
        self._arrays = (
            GrowableArray(ROW, _BLANK),
            GrowableArray(np.bool_, False),
            GrowableArray(np.int64, ALWAYS),
            GrowableArray(np.bool_, False),
        )
        self.rows: npt.NDArray[np.void]
        self.dirty: Flags  # rows that changed since the state was last written
        self.due: Times  # derived: the watermark at which the row must be looked at again (see `due_rows.py`)
        self.waiting: Flags  # derived: a lapse is due and not asked for yet
        self.user = StringColumn()
        self.action = StringColumn()
        self._trace_array = GrowableArray(TRACE, NO_TRACE)
        self.traces: Traces | None = None
        """Trace contexts of the latest activities; made once there is one (`keep_traces`)."""
        self._resize(_MIN_ROWS)

    @property
    def capacity(self) -> int:
        return self.rows.size

    @property
    def nbytes(self) -> int:
        derived = self.dirty.nbytes + self.due.nbytes + self.waiting.nbytes
        traces = 0 if self.traces is None else self.traces.nbytes
        return self.rows.nbytes + derived + self.user.nbytes + self.action.nbytes + traces

    def keep_traces(self) -> Traces:
        """Return `traces`, making them if there are none."""
        if self.traces is None:
            self.traces = self._trace_array.resize(self.capacity)
        return self.traces

    def read(self, rows: Rows) -> npt.NDArray[np.void]:
        """Return copies of rows, as a structured array: quicker than several fields of the rows where they are."""
        words = self.rows.view(np.int64).reshape(-1, ROW.itemsize // 8)
        return words.take(rows, axis=0).view(ROW)[:, 0]

    def read_columns(self, rows: Rows, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Return these fields of rows as arrays, in a third of the time that it takes field by field: each row is
        fetched from memory once."""
        columns = {name: np.empty(rows.size, ROW[name]) for name in names}
        for first in range(0, rows.size, _ROWS_READ_AT_ONCE):
            some = slice(first, first + _ROWS_READ_AT_ONCE)
            read = self.read(rows[some])
            for name, column in columns.items():
                column[some] = read[name]
        return columns

    def read_texts(self, rows: Rows, with_user: Flags, with_action: Flags) -> dict[str, pl.Series]:
        """Return the wanted `user` and `action` of rows as columns, for thousands of rows in a fraction of the time of
        `get`.

        Both are cut at once: each polars call costs as much as a thousand rows.
        """
        users, user_spans = self.user.spans(rows, with_user)
        actions, (starts, lengths) = self.action.spans(rows, with_action)
        action_spans = np.where(starts < 0, -1, starts + users.size), lengths
        found = slice_bytes(b"".join((users.data, actions.data)), {"user": user_spans, "action": action_spans})
        return {name: text.cast(pl.String) for name, text in found.items()}

    def live_rows(self, start: int = 0) -> Rows:
        """Return the live rows from `start` on."""
        return start + np.flatnonzero(self.live[start : self.used])

    def allocate(self, count: int) -> Rows:
        """Return `count` blank rows and mark them live; freed rows are used first."""
        self.tracked += count
        taken: list[Rows] = []
        while count and self._free:
            rows = self._free.pop()
            if rows.size > count:
                self._free.append(rows[count:])
                rows = rows[:count]
            taken.append(rows)
            count -= rows.size
        if count:
            self.reserve(self.used + count)
            taken.append(np.arange(self.used, self.used + count, dtype=np.int64))
            self.used += count
        rows = np.concatenate(taken) if taken else np.empty(0, np.int64)
        self.live[rows] = True
        return rows

    def release(self, rows: Rows) -> None:
        """Free these rows."""
        if rows.size:
            self.blank(rows)
            self._free.append(rows)
            self.tracked -= rows.size

    def blank(self, rows: Rows) -> None:
        self.rows[rows] = _BLANK
        self.due[rows] = ALWAYS
        self.user.clear(rows)
        self.action.clear(rows)
        if self.traces is not None:
            self.traces[rows] = NO_TRACE

    def reserve(self, rows: int) -> None:
        """Make sure that there is storage for this many rows."""
        if rows > self.capacity:
            self._resize(max(rows, self.capacity + self.capacity // 8))

    def move(self, rows: Rows, to: Rows) -> None:
        """Move rows to others that were just allocated, and blank the old ones."""
        self.rows[to] = self.rows[rows]
        self.due[to] = self.due[rows]
        self.user.move(rows, to)
        self.action.move(rows, to)
        if self.traces is not None:
            self.traces[to] = self.traces[rows]
        self.blank(rows)
        self.tracked -= rows.size

    def drop_free_rows_from(self, start: int) -> None:
        """Do not allocate free rows from `start` on any more."""
        self._free = [kept for rows in self._free if (kept := rows[rows < start]).size]

    def cut(self, used: int) -> bool:
        """Cut off the rows from `used` on, none of which is live. Returns whether memory was released."""
        self.used = used
        shrinks = self.capacity > 2 * used
        if shrinks:
            self._resize(used + used // 8 + _MIN_ROWS)
            self.user.shrink()
            self.action.shrink()
        return shrinks

    def rebuild_free_list(self) -> Rows:
        """After a restore: return the live rows; the others below the last one become free."""
        rows = self.live_rows()
        self.used = int(rows[-1]) + 1 if rows.size else 0
        self.tracked = rows.size
        self._free = [np.flatnonzero(~self.live[: self.used])]
        return rows

    def _resize(self, rows: int) -> None:
        self.rows, self.dirty, self.due, self.waiting = (array.resize(rows) for array in self._arrays)
        self.user.resize(rows)
        self.action.resize(rows)
        if self.traces is not None:
            self.traces = self._trace_array.resize(rows)
