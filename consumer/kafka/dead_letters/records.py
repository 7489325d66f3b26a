"""The record of a dead letter: key and value unchanged, coordinates and reason in headers."""

from typing import Any, NamedTuple

from consumer.kafka.clients.output import Output


class RejectedRecord(NamedTuple):
    """A record as it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


def rejected_record(message: Any) -> RejectedRecord:
    """Return what confluent_kafka's `message`, which has no error, holds."""
    return RejectedRecord(message.topic(), message.partition(), message.offset(), message.key(), message.value())


def dead_letter(topic: str, record: RejectedRecord, reason: str, error: str) -> Output:
    """Return the record for the dead letters' `topic`."""
    headers = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "reason": reason,
        "error": error,
    }
    return Output(topic, -1, record.key, record.value, [(name, str(value).encode()) for name, value in headers.items()])
