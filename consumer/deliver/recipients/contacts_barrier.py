"""Whether the contacts topic has been read to an end that it had lately: before that nobody's consent is known."""

import threading
from collections import deque
from collections.abc import Mapping

from sqlalchemy import Connection

from consumer.clock import Millis
from consumer.ledger import queries

_MAX_WAITING = 100


class ContactsBarrier:
    """Open while the ledger has all that the topic had at some moment within the last `max_staleness`.

    `ends` are the topic's end offsets at `asked_at`; `add_ends` brings later ones. Without `max_staleness` it stays
    open once it is. Whichever replica reads the topic moves the ledger's offsets. Safe to use from several threads.
    """

    def __init__(
        self, topic: str, ends: Mapping[int, int], *, asked_at: Millis = 0, max_staleness: Millis | None = None
    ) -> None:
        self.topic = topic
        self._max_staleness = max_staleness
        self._lock = threading.Lock()
        self._waiting = deque([(asked_at, dict(ends))])
        self._read_up_to: Millis | None = None

    def add_ends(self, ends: Mapping[int, int], asked_at: Millis) -> None:
        """Add the topic's end offsets at that moment."""
        with self._lock:
            if len(self._waiting) < _MAX_WAITING:
                self._waiting.append((asked_at, dict(ends)))

    def is_passed(self, connection: Connection, now: Millis) -> bool:
        """Return whether it is open, as this transaction sees the ledger."""
        with self._lock:
            if self._waiting:
                offsets = queries.replicas.next_offsets(connection, self.topic)
                while self._waiting and _reached(self._waiting[0][1], offsets):
                    self._read_up_to, _ = self._waiting.popleft()
            if self._read_up_to is None:
                return False
            return self._max_staleness is None or now - self._read_up_to < self._max_staleness


def _reached(ends: Mapping[int, int], offsets: Mapping[int, int]) -> bool:
    return all(offsets.get(partition, 0) >= end for partition, end in ends.items())
