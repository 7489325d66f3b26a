"""What a read_committed consumer sees on a topic now."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.broker.topics import fresh_name

_TIMEOUT_S = 30.0


class Seen(NamedTuple):
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    timestamp: int


@contextmanager
def _reader(bootstrap: str, isolation: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": fresh_name("reader"),
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    yield consumer
    consumer.close()


def committed(bootstrap: str, topic: str) -> list[Seen]:
    """Return the committed records by partition and offset. Records in or behind an open transaction are not seen."""
    seen: list[Seen] = []
    with _reader(bootstrap, "read_committed") as consumer:
        left = set(consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in left])
        while left:
            message = consumer.poll(_TIMEOUT_S)
            assert message is not None, "the broker has stopped answering"
            number, offset = message.partition(), message.offset()
            assert number is not None
            assert offset is not None
            error = message.error()
            if error is None:
                headers, (_, timestamp) = dict(message.headers() or []), message.timestamp()
                seen.append(Seen(number, offset, message.key(), message.value(), headers, timestamp))  # type: ignore[arg-type]
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                left.discard(number)
    return sorted(seen, key=lambda each: each[:2])


def wait_until_written(bootstrap: str, topic: str, header: str | None = None) -> None:
    """Wait until a record, with this header if it is given, is on partition 0, committed or not."""
    with _reader(bootstrap, "read_uncommitted") as consumer:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while True:
            message = consumer.poll(_TIMEOUT_S)
            assert message is not None, "nothing was written"
            if message.error() is None and (header is None or header in dict(message.headers() or [])):
                return
