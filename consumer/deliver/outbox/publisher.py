"""Publishes the outboxes onto their topics, one replica at a time and in order.

Records are published first and flagged after: a crash in between may repeat records, but never loses, invents or
reorders one. A reader that must not count a record twice recognises it by its `event_id`.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from consumer.deliver.leader_lease import LeaderLease
from consumer.deliver.outbox.outboxes import Outbox, OutboxRecord
from consumer.ledger.store import Ledger


class RecordWriter(Protocol):
    """Writes onto topics, as the only writer."""

    def begin(self) -> None:
        """Fence the writers before this one, unless that is done already. Raises if that is not certain."""
        ...

    def write(self, records: Sequence[OutboxRecord]) -> None:
        """Return once all of these are where others can read them. Raises if that is not certain."""
        ...

    def close(self) -> None: ...


class OutboxPublisher:
    """Moves records from the outboxes to `writer` while this replica holds the lease. Blocks its thread."""

    def __init__(
        self,
        ledger: Ledger,
        outboxes: Sequence[Outbox],
        writer: RecordWriter,
        lease: LeaderLease,
        *,
        batch: int = 500,
    ) -> None:
        self._ledger = ledger
        self._outboxes = outboxes
        self._writer = writer
        self._lease = lease
        self._batch = batch
        self._one_at_a_time = threading.Lock()

    def step(self) -> int:
        """Publish one batch of each outbox, if this replica leads. Returns how many records; raises what failed.

        First the lease, then the fence, then the reading: no earlier publisher can write any more when this one reads
        what is left to publish.
        """
        with self._one_at_a_time:
            if not self._lease.is_held():
                return 0
            self._or_release(self._writer.begin)
            return sum(self._publish(outbox) for outbox in self._outboxes)

    def close(self) -> None:
        """Close the writer and release the lease. Raises what the ledger raises."""
        self._writer.close()
        self._lease.release()

    def _publish(self, outbox: Outbox) -> int:
        with self._ledger.reading() as connection:
            waiting = outbox.unpublished(connection, self._batch)
        if not waiting:
            return 0
        self._or_release(lambda: self._writer.write([record for _, record in waiting]))
        with self._ledger.transaction() as connection:
            outbox.flag_published(connection, [number for number, _ in waiting])
        return len(waiting)

    def _or_release(self, call: Callable[[], None]) -> None:
        """Call the writer. After a failure another replica may try: the broker may answer it."""
        try:
            call()
        except Exception:
            self._lease.release()
            raise
