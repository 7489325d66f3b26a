"""Publishes what is durable in the ledger onto `delivery-status` and `opt-outs`, one replica at a time and in order.

Records are published first and flagged after: a crash in between may repeat records, but never loses, invents or
reorders one. A reader that must not count a record twice recognises it by its `event_id`.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy import Connection

from consumer.deliver.leader_lease import LeaderLease
from consumer.ledger import queries
from consumer.ledger.queries.outbox import Transition
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.records import DeliveryStatus, OptOut

_EVENT_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://lapse.invalid/delivery-status")

OutboxRecord = DeliveryStatus | OptOut


class Outbox(Protocol):
    """Records of one kind, in the order in which they happened."""

    def unpublished(self, connection: Connection, limit: int) -> Sequence[tuple[int, OutboxRecord]]:
        """Return the oldest records that are not published, each with its id in the outbox."""
        ...

    def flag_published(self, connection: Connection, ids: Sequence[int]) -> None:
        """Store that these are published."""
        ...


class StatusOutbox:
    """Transitions of reminders, for `delivery-status`."""

    def __init__(self, metrics: DeliverMetrics) -> None:
        self._backlog = metrics.outbox_backlog

    def unpublished(self, connection: Connection, limit: int) -> Sequence[tuple[int, OutboxRecord]]:
        transitions = queries.outbox.unpublished_transitions(connection, limit)
        self._backlog.set(queries.outbox.count_unpublished_transitions(connection) if transitions else 0)
        return [(each.id, _delivery_status(each)) for each in transitions]

    def flag_published(self, connection: Connection, ids: Sequence[int]) -> None:
        queries.outbox.mark_transitions_published(connection, ids)
        self._backlog.dec(len(ids))


class OptOutOutbox:
    """Opt-outs, for `opt-outs`."""

    def unpublished(self, connection: Connection, limit: int) -> Sequence[tuple[int, OutboxRecord]]:
        return [
            (o.id, OptOut(user_id=o.user_id, medium=o.medium, reason=o.reason, occurred_at=o.occurred_at))
            for o in queries.outbox.unpublished_opt_outs(connection, limit)
        ]

    def flag_published(self, connection: Connection, ids: Sequence[int]) -> None:
        queries.outbox.mark_opt_outs_published(connection, ids)


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


def event_id(reminder_id: str, medium: str, sequence: int) -> str:
    """Return the id of a transition's record: the same however often it is published.

    The medium is part of it, because each medium of a reminder has its own sequence.
    """
    return str(uuid.uuid5(_EVENT_IDS, f"{reminder_id}/{medium}/{sequence}"))


def _delivery_status(t: Transition) -> DeliveryStatus:
    return DeliveryStatus(
        event_id=event_id(t.reminder_id, t.medium, t.sequence),
        reminder_id=t.reminder_id,
        sequence=t.sequence,
        user_id=t.user_id,
        process=t.process,
        step=t.step,
        medium=t.medium,
        status=t.status,
        final=t.final,
        reason=t.reason,
        error_code=t.error_code,
        message_id=t.message_id,
        attempt=t.attempt,
        template=t.template,
        language=t.language,
        lapsed_at=t.lapsed_at,
        until=t.until,
        source=t.source,
        occurred_at=t.occurred_at,
        recorded_at=t.recorded_at,
    )
