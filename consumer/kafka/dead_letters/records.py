"""The dead letters' records: what could not be read, untouched, with its coordinates and the reason in headers."""

from typing import Any, NamedTuple

from consumer.activity.errors import BadRecord
from consumer.kafka.clients.transaction import Output


class RejectedRecord(NamedTuple):
    """A record as it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


def spoiled(message: Any) -> RejectedRecord:
    """`message` is confluent_kafka's, without an error."""
    return RejectedRecord(message.topic(), message.partition(), message.offset(), message.key(), message.value())


def dead_letter(onto: str, record: RejectedRecord, bad: BadRecord) -> Output:
    """A record for the topic `onto`."""
    told = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "reason": bad.reason,
        "error": bad.error,
    }
    headers = [(name, str(value).encode()) for name, value in told.items()]
    return Output(onto, -1, record.key, record.value, headers)
