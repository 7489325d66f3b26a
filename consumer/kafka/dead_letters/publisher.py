"""Publishes the records that a consumer could not read."""

from collections.abc import Sequence
from typing import TypeAlias

import structlog
from prometheus_client import Counter

from consumer.activity.errors import BadRecord
from consumer.kafka.clients.publisher import Publisher
from consumer.kafka.dead_letters.records import RejectedRecord, dead_letter

Rejection: TypeAlias = tuple[RejectedRecord, BadRecord]
_log = structlog.get_logger()


class DeadLetterPublisher:
    """Writes to the dead letters' topic, logs and counts."""

    def __init__(self, publisher: Publisher, topic: str, rejected: Counter) -> None:
        """`topic` is the dead letters'; `rejected` has the labels topic and reason."""
        self._publisher = publisher
        self._topic = topic
        self._rejected = rejected

    def publish(self, rejections: Sequence[Rejection]) -> None:
        """Return once all of these are acknowledged. Raises NotAcknowledged, Refused, KafkaException."""
        if not rejections:
            return
        self._publisher.publish([dead_letter(self._topic, record, bad.reason, bad.error) for record, bad in rejections])
        for record, bad in rejections:
            self._rejected.labels(record.topic, bad.reason).inc()
        first, reasons = rejections[0][0], sorted({bad.reason for _, bad in rejections})
        where = {"topic": first.topic, "partition": first.partition, "offset": first.offset}
        _log.warning("records_rejected", **where, count=len(rejections), reasons=reasons)
