"""Reads the dead letters' topic: the letters, and the notes that say which of them were replayed.

A note is a record of its own with the header `replayed`. It is in the same partition as the letters that it names and
behind them, so that the topic's retention cannot delete it before them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.clock import Millis
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients import partition_offsets
from consumer.kafka.clients.client_settings import client_settings
from consumer.kafka.clients.message_position import position_behind
from consumer.kafka.clients.output import Output

HEAD_BYTES = 200
"""How much of a letter's value is kept for showing."""

_REPLAYED = "replayed"
_MAX_TEXT_LENGTH = 500  # characters
_POLL_TIMEOUT_S = 0.1
_MAX_EMPTY_POLLS = 700  # 70 s: longer than an abandoned transaction stays open by default, a minute
Message: TypeAlias = Any
"""confluent_kafka's, whose fields may all be None by their types; where there is no error, none is."""


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
    """A dead letter: its place on their topic, when it was written there, and what its headers say.

    `origin` is None where the headers do not say it. `size` is the value's in bytes, None for a null value; `head`
    holds its first bytes. A letter is not whole if the record was larger than the topic takes: then `size` is what the
    headers say.
    """

    partition: int
    offset: int
    at: Millis
    origin: Origin | None
    reason: str
    error: str
    size: int | None
    head: bytes = field(repr=False)
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class ReplayNote:
    """The letters at these offsets of its own partition were replayed."""

    partition: int
    offsets: tuple[int, ...]


def parse(message: Message) -> DeadLetter | ReplayNote:
    """Return what a record of the topic is. Whoever wrote it, it is one of the two."""
    headers: dict[str, bytes | None] = dict(message.headers() or [])
    if _REPLAYED in headers and (offsets := _replayed(message.value(), message.offset())) is not None:
        return ReplayNote(message.partition(), offsets)
    value, told = message.value(), _text(headers.get("value_size"))
    is_whole = value is not None or not _is_number(told)
    return DeadLetter(
        partition=message.partition(),
        offset=message.offset(),
        at=message.timestamp()[1],
        origin=_origin(headers),
        reason=_text(headers.get("reason")),
        error=_text(headers.get("error")),
        size=int(told) if not is_whole else None if value is None else len(value),
        head=(value or b"")[:HEAD_BYTES],
        is_whole=is_whole,
    )


def replay_note(topic: str, partition: int, offsets: Sequence[int]) -> Output:
    """Return the record of a note."""
    # Each note has a key of its own: where somebody has the topic compacted, none may replace another.
    key = f"{_REPLAYED}-{offsets[0]}".encode()
    return Output(topic, partition, key, json.dumps(list(offsets)).encode(), [(_REPLAYED, b"%d" % len(offsets))])


def make_consumer(kafka: KafkaSettings, group: str) -> Consumer:
    """Return a consumer for `read`. It joins no group and commits nothing."""
    ours = {
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 10,
        "queued.max.messages.kbytes": 4 * 1024,  # for what is read ahead; each partition may exceed it by one fetch
    }
    return Consumer(client_settings(kafka, ours))


def offset_ranges(admin: AdminClient, topic: str) -> dict[int, range]:
    """Return the offsets that every partition has now. Raises KafkaException."""
    ends = partition_offsets.fetch_all(admin, topic)
    begins = partition_offsets.fetch_all(admin, topic, "earliest")
    return {partition: range(begins[partition], end) for partition, end in ends.items()}


def read(consumer: Consumer, topic: str, ranges: Mapping[int, range]) -> Iterator[Message]:
    """Yield the committed records at these offsets, each partition's in order; one at a time, as they can be large.

    Raises:
        StillOpen: a transaction that began within them does not end.
        KafkaException: the broker refuses.
    """
    unread = {partition: offsets for partition, offsets in ranges.items() if offsets}
    if unread:
        consumer.assign([TopicPartition(topic, partition, offsets.start) for partition, offsets in unread.items()])
    empty_polls = 0
    while unread:
        message: Message | None = consumer.poll(_POLL_TIMEOUT_S)
        empty_polls = empty_polls + 1 if message is None or message.error() is not None else 0
        if empty_polls > _MAX_EMPTY_POLLS:
            raise StillOpen(f"{topic}: a transaction is open that does not end, or the broker is gone: try again later")
        if message is None:
            continue
        partition, position = message.partition(), position_behind(message)
        if partition in unread and message.error() is None and message.offset() in unread[partition]:
            yield message
        if partition in unread and position >= unread[partition].stop:
            del unread[partition]
            consumer.incremental_unassign([TopicPartition(topic, partition)])


def _replayed(value: bytes | None, offset: int) -> tuple[int, ...] | None:
    """Return the offsets that a replay note at this offset names. Only offsets before its own are accepted."""
    with suppress(ValueError, RecursionError):
        found = json.loads(value or b"")
        if isinstance(found, list) and all(type(each) is int for each in found):
            return tuple(each for each in found if 0 <= each < offset)
    return None


def _origin(headers: Mapping[str, bytes | None]) -> Origin | None:
    topic, partition, offset = (_text(headers.get(name)) for name in ("topic", "partition", "offset"))
    if not topic or not _is_number(partition) or not _is_number(offset):
        return None
    return Origin(topic=topic, partition=int(partition), offset=int(offset))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _text(value: bytes | None) -> str:
    """Return a header as text that is safe to show on a terminal."""
    text = (value or b"").decode("utf-8", "replace")[:_MAX_TEXT_LENGTH]
    return "".join(c if c.isprintable() else "�" for c in text)
