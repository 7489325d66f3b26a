"""A plain consumer of `delivery-status`, which knows the topic and its schema and nothing else of Lapse."""

from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from consumer.activity.record_codec import BadRecord, RecordCodec
from consumer.demo.broker import PARTITIONS, QUIET
from consumer.records import DeliveryStatus

_BATCH = 500


@dataclass(slots=True)
class StatusesRead:
    """What was read: by reminder its statuses and the ids of its messages; how many records were no statuses."""

    statuses: dict[str, set[str]] = field(default_factory=dict)
    message_ids: dict[str, set[str]] = field(default_factory=dict)
    """Without those that have no message."""
    records: int = 0
    unreadable: int = 0

    def add(self, record: DeliveryStatus) -> None:
        self.statuses.setdefault(record.reminder_id, set()).add(record.status)
        if record.message_id:
            self.message_ids.setdefault(record.reminder_id, set()).add(record.message_id)
        self.records += 1


class StatusReader:
    """Read the topic from its beginning into `read`. Call `poll` now and then, and `close` when done."""

    def __init__(self, address: str, topic: str, codec: RecordCodec) -> None:
        settings = {"bootstrap.servers": address, "group.id": "demo-reader", "enable.auto.commit": False}
        self._consumer = Consumer(settings | {"isolation.level": "read_committed", "fetch.wait.max.ms": 100} | QUIET)
        # Partitions by hand, without a group: there is nothing to wait for, and nothing that others could notice.
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
        self._codec = codec
        self.read = StatusesRead()

    def poll(self, timeout_s: float) -> bool:
        """Take what has come, or comes within that time; return whether there was anything.

        Raises:
            KafkaException: the broker refuses.
        """
        messages = self._consumer.consume(_BATCH, timeout_s)
        for message in messages:
            if (error := message.error()) is None:
                self._take(message.value() or b"")
            elif not error.retriable() and error.code() != KafkaError._TRANSPORT:
                raise KafkaException(error)
        return bool(messages)

    def close(self) -> None:
        self._consumer.close()

    def _take(self, value: bytes) -> None:
        try:
            self.read.add(self._codec.decode(DeliveryStatus, value))
        except BadRecord:
            self.read.unreadable += 1
