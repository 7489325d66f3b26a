"""What everybody else hears: the outboxes onto their topics, by one replica at a time."""

import os
import uuid
from collections.abc import Sequence

from consumer.deliver.leader_lease import LeaderLease
from consumer.deliver.outbox.status_outbox import StatusOutbox
from consumer.deliver.recipients import opt_outs
from consumer.kafka.clients.exclusive_publisher import ExclusivePublisher
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import PublishFailed
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.records import DeliveryStatus, OptOut
from consumer.wiring.shared import Shared


class StatusPublishing:
    """Both outboxes. Blocks its thread; one thread at a time."""

    def __init__(self, shared: Shared, ledger: Ledger, metrics: DeliverMetrics) -> None:
        topics, kafka, clock = shared.settings.topics, shared.settings.kafka, shared.clock
        self._ledger = ledger
        self._outbox = StatusOutbox(ledger, metrics=metrics)
        self._codec = shared.codec
        self._statuses, self._stops = topics.delivery_status, topics.opt_outs
        self._codec.register(self._statuses, DeliveryStatus)
        self._codec.register(self._stops, OptOut)
        holder = f"{shared.instance}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._turn = LeaderLease(ledger, "outbox", holder=holder, clock=clock)
        self._publisher = ExclusivePublisher(kafka, name="outbox")

    def step(self) -> int:
        """Publish what is next, if it is our turn. Returns how many records. Raises PublishFailed.

        First the turn, then the fence, then the reading: whoever published before is heard of no more when we read
        what is left to do.
        """
        if not self._turn.is_held():
            return 0
        try:
            self._publisher.begin()
            return opt_outs.publish(self._ledger, self._put_stops) + self._outbox.step(self._put_statuses)
        except PublishFailed:
            self._turn.release()  # to somebody whom the broker may answer
            raise

    def close(self) -> None:
        self._publisher.close()
        self._turn.release()

    def _put_stops(self, stops: Sequence[OptOut]) -> None:
        self._publisher.publish([self._output(self._stops, stop.user_id, stop) for stop in stops])

    def _put_statuses(self, statuses: Sequence[DeliveryStatus]) -> None:
        self._publisher.publish([self._output(self._statuses, status.user_id, status) for status in statuses])

    def _output(self, topic: str, user_id: str, record: OptOut | DeliveryStatus) -> Output:
        return Output(topic, -1, user_id.encode(), self._codec.encode(record, topic))
