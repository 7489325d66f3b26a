"""The outboxes of the ledger: records that are durable there and not yet on their topic."""

import uuid
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from consumer.ledger import queries
from consumer.ledger.queries.outbox import Transition
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
