"""The publisher of the outboxes, with Kafka's transactional producer as its writer."""

import os
import uuid
from collections.abc import Sequence

from consumer.activity.record_codec import RecordCodec
from consumer.clock import Millis, Now
from consumer.config.sections.kafka import TopicSettings
from consumer.deliver.leader_lease import LeaderLease
from consumer.deliver.outbox import (
    OPT_OUTS,
    STATUSES,
    OptOutLifted,
    OutboxPublisher,
    OutboxRecord,
    RecordsRefused,
    StatusRecord,
)
from consumer.kafka.clients.exclusive_publisher import ExclusivePublisher, RecordRefused
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import PublishFailed
from consumer.ledger.errors import is_about_a_value
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.records import DeliveryStatus, OptOut
from consumer.spans import SpanRecorder, TraceSpan
from consumer.trace_context import headers_with
from consumer.wiring.deliver.opt_outs_topic import LIFTED_AT, key_of
from consumer.wiring.shared import Shared

_NAME = "outbox"
"""Of the lease, and of the producer's transactional id: the same in all replicas."""
_TRACED = ("reminder_id", "process", "step", "medium", "status", "reason", "source", "attempt", "final")
"""The fields of a status that its span has."""


def outbox_publisher(shared: Shared, ledger: Ledger, metrics: DeliverMetrics) -> OutboxPublisher:
    """Return the publisher. Its `step` raises PublishFailed, and what the ledger raises."""
    publisher = ExclusivePublisher(shared.settings.kafka, name=_NAME)
    writer = KafkaRecordWriter(publisher, shared.codec, shared.settings.topics, shared.clock.now, shared.record_span)
    holder = f"{shared.instance}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    return OutboxPublisher(
        ledger,
        [OPT_OUTS, STATUSES],
        writer,
        LeaderLease(ledger, _NAME, holder=holder, clock=shared.clock),
        metrics,
    )


class _Refused(RecordsRefused, PublishFailed):
    """Said in the terms of the outbox, and of Kafka for whoever waits for the broker."""


class KafkaRecordWriter:
    """Writes records, keyed by user, in one transaction each time."""

    def __init__(
        self,
        publisher: ExclusivePublisher,
        codec: RecordCodec,
        topics: TopicSettings,
        now: Now,
        record_span: SpanRecorder | None = None,
    ) -> None:
        """`record_span` traces the statuses."""
        self._publisher = publisher
        self._now = now
        self._record_span = record_span
        self._codec = codec
        self._topics = {DeliveryStatus: topics.delivery_status, OptOut: topics.opt_outs}
        for record_type, topic in self._topics.items():
            codec.register(topic, record_type)
        self.begin, self.close = publisher.begin, publisher.close

    def write(self, records: Sequence[OutboxRecord]) -> None:
        try:
            outputs = [self._output(record) for record in records]
        except Exception as error:
            if not is_about_a_value(error):
                raise
            raise _Refused("unusable_row", "a record does not fit its schema", by_us=True) from None
        try:
            self._publisher.publish(outputs)
        except RecordRefused as refusal:
            raise _Refused(refusal.why, str(refusal)) from None
        if self._record_span is not None:
            now = self._now()
            for record in records:
                if isinstance(record, StatusRecord):
                    self._record_span(_span_of(record, now))

    def _output(self, record: OutboxRecord) -> Output:
        if isinstance(record, OptOutLifted):
            headers = [(LIFTED_AT, str(record.at).encode())]
            return Output(self._topics[OptOut], -1, key_of(record.subject), None, headers)
        if isinstance(record, OptOut):
            topic = self._topics[OptOut]
            return Output(topic, -1, key_of(record.subject), self._codec.encode(record, topic))
        topic, status = self._topics[DeliveryStatus], record.status
        value = self._codec.encode(status, topic)
        return Output(topic, -1, status.user_id.encode(), value, headers_with(record.traceparent))


def _span_of(record: StatusRecord, published_at: Millis) -> TraceSpan:
    status = record.status
    attributes = {name: getattr(status, name) for name in _TRACED}
    return TraceSpan(
        name="status",
        traceparent=record.traceparent,
        start=status.recorded_at,
        end=published_at,
        attributes=attributes,
    )
