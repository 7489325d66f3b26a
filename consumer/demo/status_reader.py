"""A plain consumer of `delivery-status`, which knows the topic and its schema and nothing else of Lapse."""

from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from consumer.activity.record_codec import BadRecord, RecordCodec
from consumer.demo.broker import PARTITIONS, QUIET
from consumer.records import DeliveryStatus

_BATCH = 500


@dataclass(slots=True)
class ReminderHistory:
    """Every status that one reminder ever had on one medium, and the ids of all its messages."""

    reminder_id: str
    statuses: set[str] = field(default_factory=set)
    message_ids: set[str] = field(default_factory=set)


@dataclass(slots=True)
class StatusesRead:
    """All that was read: a history for each (reminder, medium), and the number of records that were no statuses."""

    histories: dict[tuple[str, str], ReminderHistory] = field(default_factory=dict)
    records: int = 0
    unreadable: int = 0

    @property
    def sent(self) -> int:
        """How many reminders have a message, on whatever medium."""
        return len({history.reminder_id for history in self.histories.values() if history.message_ids})

    def add(self, record: DeliveryStatus) -> None:
        key = (record.reminder_id, record.medium)
        history = self.histories.setdefault(key, ReminderHistory(record.reminder_id))
        history.statuses.add(record.status)
        history.message_ids |= {record.message_id} if record.message_id else set()
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
