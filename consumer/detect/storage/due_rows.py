"""Which rows are due, and which of these wait for their turn. All of it follows from the rows; none of it is stored.

For each block of rows the earliest `due` is known, or a time before it. So the rows that are due are found without
looking at the others. Rows whose lapse cannot be asked for yet (the brake holds it, or too many are due at once) stand
in a queue, the oldest first, and are looked at again only when something changes: an event, or a time such as that of
their expiry.
"""

from collections import deque

import numpy as np

from consumer.clock import Millis
from consumer.detect.lapse_rules import ALWAYS, Times
from consumer.detect.storage.hash_index import Rows
from consumer.detect.storage.row_store import RowStore

_BLOCK_BITS = 10
_MAX_STALE_ROWS = 1 << 16
_BLOCK = np.arange(1 << _BLOCK_BITS)


class DueRows:
    """Owns `due` and `waiting` of one store."""

    def __init__(self, store: RowStore) -> None:
        self._store = store
        self._earliest: Times = np.full(1, ALWAYS, np.int64)  # by block
        self._queue: deque[Rows] = deque()
        """Each array has distinct rows in the order of `due`. Rows that have been rescheduled since no longer wait."""
        self._queued = 0
        self.waiting = 0
        """The number of rows that wait."""

    def schedule(self, rows: Rows, due: Times) -> None:
        """Set when these rows must be looked at again; none of them waits any more."""
        if self.waiting:
            self._stop_waiting(rows)
        self._set(rows, due)

    def _set(self, rows: Rows, due: Times) -> None:
        self._store.due[rows] = due
        blocks = rows >> _BLOCK_BITS
        if rows.size and (last := int(blocks.max())) >= self._earliest.size:
            grown = np.full(last + 1 + last // 8, ALWAYS, np.int64)
            grown[: self._earliest.size] = self._earliest
            self._earliest = grown
        earlier = due < self._earliest[blocks]
        if earlier.any():
            np.minimum.at(self._earliest, blocks[earlier], due[earlier])

    def find(self, watermark: Millis) -> Rows:
        """Return the rows that are due. They must be scheduled or put into the queue: they are not found again."""
        c = self._store
        blocks = np.flatnonzero(self._earliest <= watermark)
        rows = ((blocks << _BLOCK_BITS)[:, None] + _BLOCK).ravel()
        due = c.due.take(rows, mode="clip")
        due[rows >= c.used] = ALWAYS
        found = due <= watermark
        later = np.where(found, ALWAYS, due).reshape(blocks.size, _BLOCK.size)
        self._earliest[blocks] = later.min(axis=1)
        return rows[found]

    def put_off(self, rows: Rows, look_again_at: Times) -> None:
        """Put due rows into the queue, and look at them again at these times at the latest."""
        c = self._store
        was_waiting, order = c.waiting[rows], c.due[rows]
        self._set(rows, look_again_at)
        if (new := rows[~was_waiting]).size:
            c.waiting[new] = True
            self.waiting += new.size
            self._queued += new.size
            self._queue.append(new[np.argsort(order[~was_waiting], kind="stable")])
            if self._queued > 2 * self.waiting + _MAX_STALE_ROWS:
                self._drop_stale()

    def take(self, limit: int) -> Rows:
        """Take the oldest rows from the queue, not more than `limit`. They must be scheduled."""
        taken: list[Rows] = []
        while self._queue and limit > 0:
            rows = self._queue.popleft()
            if rows.size > limit:
                self._queue.appendleft(rows[limit:])
                rows = rows[:limit]
            self._queued -= rows.size
            rows = rows[self._store.waiting[rows]]
            self._store.waiting[rows] = False  # at once, since a row may stand in another array, too
            self.waiting -= rows.size
            taken.append(rows)
            limit -= rows.size
        return np.concatenate(taken) if taken else np.empty(0, np.int64)

    def _drop_stale(self) -> None:
        """Drop what no longer waits, and what stands in the queue twice. (While the brake holds, nobody takes it.)"""
        rows = np.concatenate(self._queue)
        rows = rows[self._store.waiting[rows]]
        rows = rows[np.sort(np.unique(rows, return_index=True)[1])]
        self._queue, self._queued = deque([rows]), rows.size

    def _stop_waiting(self, rows: Rows) -> None:
        c = self._store
        were = rows[c.waiting[rows]]
        if were.size:
            c.waiting[were] = False
            self.waiting -= np.unique(were).size
