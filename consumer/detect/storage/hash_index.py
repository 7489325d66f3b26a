"""Finds the row of a key, a whole batch at a time.

Keys are 128-bit hashes: among a billion keys the chance that any two agree is below 1e-20, so a hash stands for
its key. Open addressing with linear probing, each step done for all keys still looking at once: a Python dict
costs 0.1 to 0.3 µs a key and an object for each; this costs about as much and 8 bytes.
"""

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
"""Positions in arrays: numpy looks up with 64-bit numbers three times as fast as with others."""

_EMPTY = -1
_GONE = -2  # a key was here; the search goes on behind it
_CLAIMS = -3  # and below: claimed by the key at position -3 - value of the batch being inserted
_FULL = 0.6
_BLOCK = 1 << 15  # keys placed in one go, so that what is worked out about them stays in the processor's cache


class KeyIndex:
    """Slots that hold row numbers; the hashes themselves are the table's columns, indexed by row."""

    def __init__(self, capacity: int = 1024) -> None:
        self._slots: npt.NDArray[np.int32] = np.full(capacity, _EMPTY, np.int32)
        self._taken = 0  # rows and gone ones

    def __len__(self) -> int:
        return self._slots.size

    def find(self, low: Hashes, high: Hashes, lows: Hashes, highs: Hashes) -> Rows:
        """The rows of keys, -1 where there is none. `lows` and `highs` are the table's columns."""
        slots = self._home(low)
        found = self._slots[slots].astype(np.int64)  # most keys are at home: only the others go round
        looking = self._others(found, low, high, lows, highs)
        while looking.size:
            slots[looking] = at = self._next(slots[looking])
            rows = self._slots[at].astype(np.int64)
            found[looking] = rows
            looking = looking[self._others(rows, low[looking], high[looking], lows, highs)]
        return np.maximum(found, -1)

    def _others(self, rows: Rows, low: Hashes, high: Hashes, lows: Hashes, highs: Hashes) -> npt.NDArray[np.int64]:
        """Whose search goes on: keys that met neither their row nor an empty slot."""
        same = (lows[rows] == low) & (highs[rows] == high)  # (what -1 and -2 find there means nothing)
        return np.flatnonzero(~(same & (rows >= 0)) & (rows != _EMPTY))

    def insert(self, low: Hashes, rows: Rows) -> None:
        """Put distinct keys that are not there yet."""
        pending = np.arange(low.size)
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
        self.replace(low, rows, np.full(rows.size, _GONE))

    def replace(self, low: Hashes, rows: Rows, by: Rows) -> None:
        """Keys that are there have moved to other rows."""
        looking = np.arange(low.size)
        slots = self._home(low)
        while looking.size:
            here = self._slots[slots] == rows[looking]
            self._slots[slots[here]] = by[looking[here]]
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
        self._fill(low, rows)

    def _fill(self, low: Hashes, rows: Rows) -> None:
        """What `insert` does, into empty slots: in the order of their homes all keys find their slots in one pass."""
        placed = low & np.uint64(self._slots.size - 1)
        placed <<= np.uint64(32)
        placed |= rows.astype(np.uint64)
        placed.sort()
        lead = 0  # of the slot before on its key's rank
        for first in range(0, placed.size, _BLOCK):
            block = placed[first : first + _BLOCK]
            ranks = np.arange(first, first + block.size)
            leads = (block >> np.uint64(32)).astype(np.int64) - ranks
            leads[0] = max(leads[0], lead)
            np.maximum.accumulate(leads, out=leads)  # at home, or behind the one before
            lead, slots = leads[-1], leads + ranks
            inside = int(np.searchsorted(slots, self._slots.size))
            found = (block & np.uint64(0xFFFFFFFF)).astype(np.int64)
            self._slots[slots[:inside]] = found[:inside]
            self._taken += inside
            self.insert(block[inside:] >> np.uint64(32), found[inside:])  # what runs over the end goes on at the start

    def _home(self, low: Hashes) -> npt.NDArray[np.int64]:
        return (low & np.uint64(self._slots.size - 1)).astype(np.int64)

    def _next(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (slots + 1) & (self._slots.size - 1)
