"""The dead letters' records: what could not be read, untouched, with its coordinates and the reason in headers."""

from typing import Any

from consumer.activity.errors import BadRecord
from consumer.kafka.transaction import Output


def dead_letter(onto: str, message: Any, bad: BadRecord) -> Output:
    """A record for the topic `onto`. `message` is confluent_kafka's, without an error."""
    told = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "reason": bad.reason,
        "error": bad.error,
    }
    headers = [(name, str(value).encode()) for name, value in told.items()]
    return Output(onto, -1, message.key(), message.value(), headers)
