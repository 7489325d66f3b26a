"""Publishes the records that a consumer could not read."""

from collections.abc import Sequence
from typing import TypeAlias

from prometheus_client import Counter

from consumer.activity.errors import BadRecord
from consumer.kafka.clients.publisher import Publisher
from consumer.kafka.dead_letters.records import RejectedRecord, dead_letter
from consumer.kafka.dead_letters.rejection_log import RejectionLog
from consumer.kafka.dead_letters.size_limit import SizeLimit

Rejection: TypeAlias = tuple[RejectedRecord, BadRecord]


class DeadLetterPublisher:
    """Writes to the dead letters' topic, logs and counts."""

    def __init__(
        self, publisher: Publisher, topic: str, limit: SizeLimit, rejection_log: RejectionLog, rejected: Counter
    ) -> None:
        """`topic` is the dead letters', `limit` is of that topic; `rejected` has the labels topic and reason."""
        self._publisher = publisher
        self._topic = topic
        self._limit = limit
        self._rejection_log = rejection_log
        self._rejected = rejected

    def publish(self, rejections: Sequence[Rejection]) -> None:
        """Return once all of these are acknowledged. To be called often, if with nothing, so that the log is written.

        Raises NotAcknowledged, Refused, KafkaException.
        """
        if rejections:
            takes = self._limit.takes
            self._publisher.publish(
                [dead_letter(self._topic, record, bad.reason, bad.error, takes) for record, bad in rejections]
            )
        for record, bad in rejections:
            self._rejected.labels(record.topic, bad.reason).inc()
            self._rejection_log.count(bad.reason, record.topic, record.partition, record.offset)
        self._rejection_log.write_due()
