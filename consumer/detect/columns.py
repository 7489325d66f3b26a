"""The table's memory: one array for each field of a row, grown together. A row is its position in all of them."""

import numpy as np
import numpy.typing as npt

from consumer.detect.index import Hashes, Rows
from consumer.detect.rules import ALWAYS, NEVER, Times
from consumer.detect.strings import Strings

Flags = npt.NDArray[np.bool_]
Small = npt.NDArray[np.uint8]

RETURNED = 1  # bits of `told`: what was said about the asked reminder
COMPLETED = 2


class Columns:
    """Row storage, with the free rows remembered. Rows beyond `used` were never given out."""

    def __init__(self) -> None:
        self.used = 0
        self._free: list[Rows] = []
        self.live: Flags = np.empty(0, np.bool_)
        self.dirty: Flags = np.empty(0, np.bool_)  # changed since the state was last written
        self.low: Hashes = np.empty(0, np.uint64)
        self.high: Hashes = np.empty(0, np.uint64)
        self.process: npt.NDArray[np.uint16] = np.empty(0, np.uint16)
        self.last_seen: Times = np.empty(0, np.int64)
        self.closed: Times = np.empty(0, np.int64)
        self.step: Small = np.empty(0, np.uint8)
        self.asked_seen: Times = np.empty(0, np.int64)
        self.asked_step: Small = np.empty(0, np.uint8)
        self.told: Small = np.empty(0, np.uint8)
        self.due: Times = np.empty(0, np.int64)  # derived: when the clock must look at the row again
        self.user = Strings()
        self.action = Strings()
        self.reserve(1024)

    @property
    def capacity(self) -> int:
        return self.live.size

    @property
    def tracked(self) -> int:
        return self.used - sum(rows.size for rows in self._free)

    @property
    def nbytes(self) -> int:
        arrays = [v.nbytes for v in vars(self).values() if isinstance(v, np.ndarray)]
        return sum(arrays) + self.user.nbytes + self.action.nbytes

    def live_rows(self) -> Rows:
        return np.flatnonzero(self.live[: self.used]).astype(np.int32)

    def take(self, count: int) -> Rows:
        """Rows to fill: freed ones first, blank and alive."""
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
            taken.append(np.arange(self.used, self.used + count, dtype=np.int32))
            self.used += count
        rows = np.concatenate(taken) if taken else np.empty(0, np.int32)
        self.blank(rows)
        self.live[rows] = True
        return rows

    def give_back(self, rows: Rows) -> None:
        """Rows that are wanted no longer."""
        self.blank(rows)
        self.user.clear(rows)
        self.action.clear(rows)
        if rows.size:
            self._free.append(rows)

    def blank(self, rows: Rows) -> None:
        self.live[rows] = False
        self.last_seen[rows] = NEVER
        self.closed[rows] = NEVER
        self.asked_seen[rows] = NEVER
        self.due[rows] = ALWAYS
        for small in (self.step, self.asked_step, self.told):
            small[rows] = 0

    def reserve(self, rows: int) -> None:
        """Have storage for this many rows; new ones are blank."""
        had = self.capacity
        if rows <= had:
            return
        grown = max(rows, had + had // 4, 1024)
        for name, column in list(vars(self).items()):
            if isinstance(column, np.ndarray):
                wider = np.empty(grown, column.dtype)
                wider[:had] = column
                setattr(self, name, wider)
        self.user.resize(grown)
        self.action.resize(grown)
        self.dirty[had:] = False
        self.blank(np.arange(had, grown, dtype=np.int32))

    def free_the_rest(self) -> None:
        """After a restore: whatever is not alive below `used` can be given out."""
        self._free = [np.flatnonzero(~self.live[: self.used]).astype(np.int32)]
