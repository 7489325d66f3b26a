"""Asks where the contacts topic ends: the barrier before sending needs to know, and so do the gauges.

These say when somebody wrote to it last, and how much of it is not in the ledger yet.
"""

import asyncio
import contextlib

import structlog
from confluent_kafka import KafkaException
from sqlalchemy.exc import SQLAlchemyError

from consumer.clock import MINUTE, SECOND
from consumer.config.types import millis
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.kafka.clients import partition_offsets
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.waiting import wait_for_event
from consumer.wiring.deliver.ledger import next_offsets
from consumer.wiring.deliver.topic_lineage import require_same_topics
from consumer.wiring.shared import Shared

_INTERVAL_MS = MINUTE
_REQUEST_TIMEOUT_S = 5.0
"""The process waits for this when it ends."""
_log = structlog.get_logger()


class ContactsAge:
    """Asks the broker several times within `policy.max_staleness`, and at least once a minute.

    What does not answer leaves all as it is: other parts report it.
    """

    def __init__(self, shared: Shared, ledger: Ledger, metrics: DeliverMetrics, barrier: ContactsBarrier) -> None:
        self._shared = shared
        self._barrier = barrier
        self._interval_ms = min(_INTERVAL_MS, millis(shared.settings.policy.max_staleness) // 4)
        self._admin = shared.admin
        self._topic = shared.settings.topics.contacts
        self._ledger = ledger
        self._metrics = metrics

    async def run(self, ended: asyncio.Event) -> None:
        """Run until told to end. Raises LedgerRefused if a topic was made anew."""
        while not ended.is_set():
            with contextlib.suppress(SQLAlchemyError):
                await asyncio.to_thread(self.refresh)
            await wait_for_event(ended, self._interval_ms)

    def refresh(self) -> None:
        """Tell the barrier and set the gauges. Blocks its thread; raises LedgerRefused, and what the ledger does."""
        asked_at = self._shared.clock.now()
        try:
            require_same_topics(self._shared, self._ledger)
            written = partition_offsets.newest_timestamps(self._admin, self._topic, timeout_s=_REQUEST_TIMEOUT_S)
            asked = partition_offsets.request(self._admin, self._topic, written, timeout_s=_REQUEST_TIMEOUT_S)
            ends = {partition: int(future.result().offset) for partition, future in asked.items()}
        except KafkaException as problem:
            _log.debug("contacts_age_unknown", error=str(problem))
            return
        self._barrier.add_ends(ends, asked_at)
        offsets = next_offsets(self._ledger, self._topic)
        self._metrics.unread_contacts.set(sum(max(0, end - offsets.get(n, 0)) for n, end in ends.items()))
        newest = max((each for each in written.values() if each is not None), default=None)
        if newest is not None:
            self._metrics.newest_contact.set(newest / SECOND)
