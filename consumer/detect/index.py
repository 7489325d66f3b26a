"""Finds the row of a key, a whole batch at a time.

Keys are 128-bit hashes: among a billion keys the chance that any two agree is below 1e-20, so a hash stands for
its key. Open addressing with linear probing, each step done for all keys still looking at once: a Python dict
costs 0.1 to 0.3 µs a key and an object for each; this costs about as much and 8 bytes.
"""

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int32]

_EMPTY = -1
_GONE = -2  # a key was here; the search goes on behind it
_CLAIMS = -3  # and below: claimed by the key at position -3 - value of the batch being inserted
_FULL = 0.6


class KeyIndex:
    """Slots that hold row numbers; the hashes themselves are the table's columns, indexed by row."""

    def __init__(self, capacity: int = 1024) -> None:
        self._slots: Rows = np.full(capacity, _EMPTY, np.int32)
        self._taken = 0  # rows and gone ones

    def __len__(self) -> int:
        return self._slots.size

    def find(self, low: Hashes, high: Hashes, lows: Hashes, highs: Hashes) -> Rows:
        """The rows of keys, -1 where there is none. `lows` and `highs` are the table's columns."""
        found = np.full(low.size, -1, np.int32)
        looking = np.arange(low.size)
        slots = self._home(low)
        while looking.size:
            rows = self._slots[slots]
            same = (rows >= 0) & (lows[rows] == low[looking]) & (highs[rows] == high[looking])
            found[looking[same]] = rows[same]
            on = ~same & (rows != _EMPTY)
            looking, slots = looking[on], self._next(slots[on])
        return found

    def insert(self, low: Hashes, rows: Rows) -> None:
        """Put distinct keys that are not there yet."""
        pending = np.arange(low.size, dtype=np.int32)
        slots = self._home(low)
        while pending.size:
            free = self._slots[slots] == _EMPTY
            self._slots[slots[free]] = _CLAIMS - pending[free]  # of several that want a slot, one gets it
            won = free & (self._slots[slots] == _CLAIMS - pending)
            self._slots[slots[won]] = rows[pending[won]]
            pending, slots = pending[~won], self._next(slots[~won])
        self._taken += low.size

    def remove(self, low: Hashes, rows: Rows) -> None:
        """Take out keys that are there."""
        looking = np.arange(low.size)
        slots = self._home(low)
        while looking.size:
            here = self._slots[slots] == rows[looking]
            self._slots[slots[here]] = _GONE
            looking, slots = looking[~here], self._next(slots[~here])

    def has_room_for(self, more: int) -> bool:
        return self._taken + more <= self._slots.size * _FULL

    def rebuild(self, low: Hashes, rows: Rows) -> None:
        """Start again with these keys, and room for a quarter more."""
        size = 1024
        while rows.size * 1.25 > size * _FULL:
            size *= 2
        self._slots = np.full(size, _EMPTY, np.int32)
        self._taken = 0
        self.insert(low, rows)

    def _home(self, low: Hashes) -> npt.NDArray[np.int64]:
        return (low & np.uint64(self._slots.size - 1)).astype(np.int64)

    def _next(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (slots + 1) & (self._slots.size - 1)
