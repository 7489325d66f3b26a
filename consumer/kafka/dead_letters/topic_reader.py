"""The dead letters' topic, read: the letters on it, and the notes that say which of them were put back.

A note is a record of its own with the header `replayed`. It stands in the same partition as the letters it names and
behind them, so that the topic's retention cannot take it before it has taken them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.clock import Millis
from consumer.config.kafka import KafkaSettings
from consumer.kafka.clients import end_offsets
from consumer.kafka.clients.settings import client_settings
from consumer.kafka.clients.transaction import Output

HEAD = 200
"""Bytes of a letter that are kept for showing."""

_REPLAYED = "replayed"
_LONGEST_TEXT = 500
_PATIENCE = 0.1  # seconds to wait for a record
_QUIET = 700  # times without one: longer than an abandoned transaction stays open by default, a minute
_PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT}
Message: TypeAlias = Any
"""confluent_kafka's own, whose every field may be None by its types and is not where there is no error."""


class StillOpen(Exception):
    """Records on the topic cannot be read yet; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a record was when it could not be read."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A dead letter: its place on their topic, when it came there, and what its headers say.

    `origin` is None where they do not say it; `size` is None for a null value, else in bytes, of which `head` holds
    the first.
    """

    partition: int
    offset: int
    at: Millis
    origin: Origin | None
    reason: str
    error: str
    size: int | None
    head: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReplayNote:
    """These letters of its own partition were put back."""

    partition: int
    letters: tuple[int, ...]


def opened(message: Message) -> DeadLetter | ReplayNote:
    """What a record of the topic is. Whoever writes there, it is something."""
    headers: dict[str, bytes | None] = dict(message.headers() or [])
    if _REPLAYED in headers and (letters := _noted(message.value(), message.offset())) is not None:
        return ReplayNote(message.partition(), letters)
    value = message.value()
    return DeadLetter(
        partition=message.partition(),
        offset=message.offset(),
        at=message.timestamp()[1],
        origin=_origin(headers),
        reason=_text(headers.get("reason")),
        error=_text(headers.get("error")),
        size=None if value is None else len(value),
        head=(value or b"")[:HEAD],
    )


def note(topic: str, partition: int, letters: Sequence[int]) -> Output:
    """The record that says so."""
    # A key of its own, so that nothing takes the place of a note where somebody has the topic compacted.
    key = f"{_REPLAYED}-{letters[0]}".encode()
    return Output(topic, partition, key, json.dumps(list(letters)).encode(), [(_REPLAYED, b"%d" % len(letters))])


def reader(kafka: KafkaSettings, group: str) -> Consumer:
    """A consumer for `read`. It joins no group and commits nothing."""
    ours = {
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 10,
        "queued.max.messages.kbytes": 4 * 1024,  # what is read ahead; each partition may go over it by one fetch
    }
    return Consumer(client_settings(kafka, ours))


def whole(admin: AdminClient, topic: str) -> dict[int, range]:
    """The offsets of every partition, as they are now. Raises KafkaException."""
    ends = end_offsets.ends(admin, topic)
    return {number: range(end_offsets.get(admin, topic, number, "earliest"), end) for number, end in ends.items()}


def read(consumer: Consumer, topic: str, spans: Mapping[int, range]) -> Iterator[Message]:
    """The committed records within these offsets, each partition's in order, and one at a time: they can be large.

    Raises:
        StillOpen: somebody's transaction, begun within them, does not end.
        KafkaException: the broker refuses.
    """
    left = {partition: span for partition, span in spans.items() if span}
    if left:
        consumer.assign([TopicPartition(topic, partition, span.start) for partition, span in left.items()])
    quiet = 0
    while left:
        message: Message | None = consumer.poll(_PATIENCE)
        quiet = quiet + 1 if message is None or message.error() is not None else 0
        if quiet > _QUIET:
            raise StillOpen(f"{topic}: a transaction is open that does not end, or the broker is gone: try again later")
        if message is None:
            continue
        partition, position = message.partition(), _position(message)
        if partition in left and message.error() is None and message.offset() in left[partition]:
            yield message
        if partition in left and position >= left[partition].stop:
            del left[partition]
            consumer.incremental_unassign([TopicPartition(topic, partition)])


def _position(message: Message) -> int:
    """The offset behind it. Behind the last record there may be marks of transactions: the end itself says so."""
    error = message.error()
    if error is None:
        return int(message.offset()) + 1
    if error.code() == KafkaError._PARTITION_EOF:
        return int(message.offset())
    if error.retriable() or error.code() in _PASSING:
        return 0
    raise KafkaException(error)


def _noted(value: bytes | None, place: int) -> tuple[int, ...] | None:
    """The letters that a note at this offset names. It can name none behind itself, whoever wrote it."""
    with suppress(ValueError, RecursionError):
        found = json.loads(value or b"")
        if isinstance(found, list) and all(type(offset) is int for offset in found):
            return tuple(offset for offset in found if 0 <= offset < place)
    return None


def _origin(headers: Mapping[str, bytes | None]) -> Origin | None:
    topic, partition, offset = (_text(headers.get(name)) for name in ("topic", "partition", "offset"))
    if not topic or not _is_number(partition) or not _is_number(offset):
        return None
    return Origin(topic=topic, partition=int(partition), offset=int(offset))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _text(value: bytes | None) -> str:
    """A header as text that can be shown on a terminal, whatever is in it."""
    text = (value or b"").decode("utf-8", "replace")[:_LONGEST_TEXT]
    return "".join(c if c.isprintable() else "�" for c in text)
