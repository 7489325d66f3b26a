"""The record of a dead letter: key and value unchanged, coordinates and reason in headers."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

from consumer.kafka.clients.output import Output

_OVERHEAD_BYTES = 500
"""What a record takes besides key, value and headers, its batch included."""


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


def dead_letter(
    topic: str, record: RejectedRecord, reason: str, error: str, takes: Callable[[int], bool] = lambda size: True
) -> Output:
    """Return the record for the dead letters' `topic`.

    `takes` tells whether the topic takes a record of so many bytes. If not, the letter has no value, and if need be no
    key; their sizes and digests are in its headers, and its coordinates say where they are.
    """
    headers = {
        "topic": record.topic.encode(),
        "partition": b"%d" % record.partition,
        "offset": b"%d" % record.offset,
        "reason": reason.encode(),
        "error": error.encode(),
    }
    kept = {"value": record.value, "key": record.key}
    for name, content in tuple(kept.items()):
        if content is not None and not takes(_size(kept.values(), headers)):
            headers |= {f"{name}_size": b"%d" % len(content), f"{name}_sha256": digest(content)}
            kept[name] = None
    return Output(topic, -1, kept["key"], kept["value"], list(headers.items()))


def says_the_same(letter: Any, original: Any) -> bool:
    """Return whether a letter is of this record: both are confluent_kafka's messages."""
    headers = dict(letter.headers() or [])
    contents = {"key": (letter.key(), original.key()), "value": (letter.value(), original.value())}
    for name, (held, there) in contents.items():
        told = headers.get(f"{name}_sha256")
        if held != there and (held is not None or there is None or told != digest(there)):
            return False
    return True


def digest(content: bytes) -> bytes:
    """Return what a letter says of bytes that it does not hold: their SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest().encode()


def _size(contents: Any, headers: dict[str, bytes]) -> int:
    named = sum(len(name) + len(value) + 10 for name, value in headers.items())
    return sum(len(content) for content in contents if content is not None) + named + _OVERHEAD_BYTES
