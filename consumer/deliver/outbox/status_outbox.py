"""Tells everybody else: transitions that are durable in the ledger, onto `delivery-status`, in their order.

They are published first and flagged after: a crash between may repeat records, but never loses, invents or reorders
one. Whoever must not see one twice knows it by `event_id`.
"""

import threading
import uuid
from collections.abc import Callable, Sequence

from consumer.ledger import queries
from consumer.ledger.queries.outbox import Transition
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.records import DeliveryStatus

_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://lapse.invalid/delivery-status")

Publish = Callable[[Sequence[DeliveryStatus]], None]
"""Returns once all of these are where others can read them; raises if that is not certain."""


class StatusOutbox:
    """Moves transitions out. Blocks its thread; one at a time works, whoever calls."""

    def __init__(self, ledger: Ledger, *, metrics: DeliverMetrics, batch: int = 500) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._batch = batch
        self._one_at_a_time = threading.Lock()

    def step(self, publish: Publish) -> int:
        """Publish the oldest transitions that are not out yet. Returns how many; raises what `publish` raised."""
        with self._one_at_a_time:
            with self._ledger.reading() as connection:
                waiting = queries.outbox.unpublished_transitions(connection, self._batch)
                backlog = queries.outbox.count_unpublished_transitions(connection) if waiting else 0
            self._metrics.outbox_backlog.set(backlog)
            if not waiting:
                return 0
            publish([_status(transition) for transition in waiting])
            with self._ledger.transaction() as connection:
                queries.outbox.mark_transitions_published(connection, [transition.id for transition in waiting])
            self._metrics.outbox_backlog.set(backlog - len(waiting))
            return len(waiting)


def event_id(reminder_id: str, medium: str, sequence: int) -> str:
    """The id of a record: the same transition has the same id however often it is published.

    The medium is part of it, because each medium of a reminder counts its own sequence.
    """
    return str(uuid.uuid5(_IDS, f"{reminder_id}/{medium}/{sequence}"))


def _status(t: Transition) -> DeliveryStatus:
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
