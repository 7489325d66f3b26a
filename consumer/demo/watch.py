"""An onlooker: a plain consumer of `delivery-status` that knows the topic and its schema, and nothing else of Lapse."""

import threading

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumer.activity.record_codec import BadRecord, RecordCodec
from consumer.demo.broker import PARTITIONS, QUIET
from consumer.demo.tally import Counts, Life, Tally
from consumer.records import DeliveryStatus

_BATCH = 500
_PATIENCE_SECONDS = 0.2


class Watch:
    """Adds up what the topic tells. `counts` and `lives` may be called from any thread."""

    def __init__(self, address: str, topic: str, codec: RecordCodec) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": "demo-onlooker",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 100,
                **QUIET,
            }
        )
        self._topic = topic
        self._codec = codec
        self._tally = Tally()
        self._lock = threading.Lock()

    def counts(self) -> Counts:
        with self._lock:
            return self._tally.counts()

    def lives(self) -> tuple[Life, ...]:
        with self._lock:
            return self._tally.lives()

    def run(self, stop: threading.Event) -> None:
        """Listens from the topic's beginning until `stop` is set. Raises KafkaException when the broker refuses."""
        # Partitions by hand and no group: nothing to wait for, and nothing that others could notice.
        everything = [TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)]
        try:
            self._consumer.assign(everything)
            while not stop.is_set():
                for message in self._consumer.consume(_BATCH, _PATIENCE_SECONDS):
                    self._take(message)
        finally:
            self._consumer.close()

    def _take(self, message: "Message[bytes, bytes]") -> None:
        error = message.error()
        if error is not None:
            if error.retriable() or error.code() == KafkaError._TRANSPORT:
                return
            raise KafkaException(error)
        try:
            record = self._codec.decode(DeliveryStatus, message.value() or b"")
        except BadRecord:
            with self._lock:
                self._tally.add_unreadable()
            return
        with self._lock:
            self._tally.add(record)
