"""Finds the row of a key, a whole batch at a time.

Keys are 128-bit hashes: among a billion keys the chance of a collision is below 1e-20, so a hash stands for its key.
Open addressing with linear probing, each step for all pending keys at once. A Python dict takes 0.1 to 0.3 µs a key
and an object for each; this takes about the same time and 8 bytes.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
"""Indices of rows: numpy looks up with 64-bit indices three times as fast as with others."""

EMPTY = -1
_DELETED = -2  # a removed key: searches go on behind it
_CLAIMED_FROM = -3  # and below: claimed by the key at index -3 - value of the batch that is being inserted
_MIN_SLOTS = 1024
_MAX_LOAD_FACTOR = 0.6
_BLOCK_KEYS = 1 << 15  # keys placed at a time, so that intermediate arrays stay in the processor's cache


class KeyIndex:
    """Slots with row numbers; the hashes themselves are columns of the table, indexed by row."""

    def __init__(self) -> None:
        self._slots: npt.NDArray[np.int32] = np.full(_MIN_SLOTS, EMPTY, np.int32)
        self._used_slots = 0  # rows and deleted ones

    def __len__(self) -> int:
        return self._slots.size

    @property
    def slots(self) -> npt.NDArray[np.int32]:
        """Return the row in each slot: EMPTY, a row, or less than EMPTY where a search goes on."""
        return self._slots

    def find(self, low: Hashes, high: Hashes, lows: Hashes, highs: Hashes) -> Rows:
        """Return the rows of keys, -1 if there is none. `lows` and `highs` are the table's columns."""
        slots = self._home_slots(low)
        found = self._slots[slots].astype(np.int64)  # most keys are in their home slot
        looking = self._still_searching(found, low, high, lows, highs)
        while looking.size:
            slots[looking] = at = self._next_slots(slots[looking])
            rows = self._slots[at].astype(np.int64)
            found[looking] = rows
            looking = looking[self._still_searching(rows, low[looking], high[looking], lows, highs)]
        return np.maximum(found, -1)

    def _still_searching(
        self, rows: Rows, low: Hashes, high: Hashes, lows: Hashes, highs: Hashes
    ) -> npt.NDArray[np.int64]:
        """Return the keys that found neither their row nor an empty slot."""
        same = (lows[rows] == low) & (highs[rows] == high)  # -1 and -2 match at random here and are excluded below
        return np.flatnonzero(~(same & (rows >= 0)) & (rows != EMPTY))

    def insert(self, low: Hashes, rows: Rows) -> None:
        """Insert distinct keys that are not in the index."""
        pending = np.arange(low.size)
        slots = self._home_slots(low)
        while pending.size:
            free = self._slots[slots] == EMPTY
            self._slots[slots[free]] = (
                _CLAIMED_FROM - pending[free]
            )  # of several keys that want a slot the last one gets it
            won = free & (self._slots[slots] == _CLAIMED_FROM - pending)
            self._slots[slots[won]] = rows[pending[won]]
            pending, slots = pending[~won], self._next_slots(slots[~won])
        self._used_slots += low.size

    def insert_by(self, place: Callable[[npt.NDArray[np.int32], Hashes, Rows], None], low: Hashes, rows: Rows) -> None:
        """Insert such keys by a function that puts rows into empty slots, each into the first from its home slot on."""
        place(self._slots, low, rows)
        self._used_slots += low.size

    def remove(self, low: Hashes, rows: Rows) -> None:
        """Remove keys that are in the index."""
        self.replace(low, rows, np.full(rows.size, _DELETED))

    def replace(self, low: Hashes, rows: Rows, by: Rows) -> None:
        """Set other rows for keys that are in the index."""
        looking = np.arange(low.size)
        slots = self._home_slots(low)
        while looking.size:
            here = self._slots[slots] == rows[looking]
            self._slots[slots[here]] = by[looking[here]]
            looking, slots = looking[~here], self._next_slots(slots[~here])

    def has_room_for(self, more: int) -> bool:
        return self._used_slots + more <= self._slots.size * _MAX_LOAD_FACTOR

    def rebuild(self, low: Hashes, rows: Rows) -> None:
        """Rebuild the index with these keys and room for a quarter more."""
        size = _MIN_SLOTS
        while rows.size * 1.25 > size * _MAX_LOAD_FACTOR:
            size *= 2
        self._slots = np.full(size, EMPTY, np.int32)
        self._used_slots = 0
        self._fill(low, rows)

    def _fill(self, low: Hashes, rows: Rows) -> None:
        """Insert into empty slots: sorted by home slot, all keys find their slots in one pass."""
        placed = low & np.uint64(self._slots.size - 1)
        placed <<= np.uint64(32)
        placed |= rows.astype(np.uint64)
        placed.sort()
        lead = 0  # how far the previous slot is ahead of its key's rank
        for first in range(0, placed.size, _BLOCK_KEYS):
            block = placed[first : first + _BLOCK_KEYS]
            ranks = np.arange(first, first + block.size)
            leads = (block >> np.uint64(32)).astype(np.int64) - ranks
            leads[0] = max(leads[0], lead)
            np.maximum.accumulate(leads, out=leads)  # in the home slot, or behind the previous key
            lead, slots = leads[-1], leads + ranks
            inside = int(np.searchsorted(slots, self._slots.size))
            found = (block & np.uint64(0xFFFFFFFF)).astype(np.int64)
            self._slots[slots[:inside]] = found[:inside]
            self._used_slots += inside
            self.insert(block[inside:] >> np.uint64(32), found[inside:])  # keys past the end go on at the start

    def _home_slots(self, low: Hashes) -> npt.NDArray[np.int64]:
        return (low & np.uint64(self._slots.size - 1)).astype(np.int64)

    def _next_slots(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (slots + 1) & (self._slots.size - 1)
