"""Reads the latest lineage in each partition of the state topic, without restoring anything."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.clock import MINUTE, Millis
from consumer.detect.snapshot import DamagedState
from consumer.kafka.changelog import segment_header
from consumer.kafka.changelog.lineage import Lineage
from consumer.kafka.changelog.segment_header import Headers, Seal
from consumer.kafka.clients import partition_offsets
from consumer.kafka.clients.error_codes import CORRUPT, is_transient

_POLL_TIMEOUT_S = 5.0
_CLOCK_DIFFERENCE: Millis = MINUTE
"""How far another computer's clock may be ahead."""

SealedBy: TypeAlias = Literal["our_key", "another_key"]


@dataclass(frozen=True, slots=True)
class Remembered:
    """The lineages that were found. Those that have another key's seal (it may just have been changed) are taken only
    where none has ours; None if there is none at all."""

    lineages: tuple[Lineage, ...]
    sealed_by: SealedBy | None


class LatestLineage:
    """Takes the records of one partition of the state topic in order, and keeps the latest lineage."""

    def __init__(self, seal: Seal, group: str, now: Millis) -> None:
        """`seal` is of the partition; what says that something was after `now` is not believed."""
        self._seal = seal
        self._group = group
        self._now = now
        self.found: dict[SealedBy, Lineage] = {}
        self._ages: dict[SealedBy, tuple[Millis, int]] = {}

    def feed(self, key: bytes | None, headers: Headers) -> None:
        """Take a record. A tombstone, a rebuild marker, or one that is damaged or foreign has no lineage."""
        with suppress(DamagedState):
            header = segment_header.parse(headers, self._group)
            begun_at = header.lineage.begun_at
            # A copy of an earlier record may lie behind the latest; states of earlier versions go by the log alone.
            age = (0, 0) if begun_at is None else (begun_at, header.sequence)
            by = self._sealed_by(key or b"", headers)
            if age >= self._ages.get(by, age) and _latest_moment(header.lineage) <= self._now + _CLOCK_DIFFERENCE:
                self.found[by], self._ages[by] = header.lineage, age

    def _sealed_by(self, key: bytes, headers: Headers) -> SealedBy:
        try:
            self._seal.verify(key, headers)
        except DamagedState:
            return "another_key"
        return "our_key"


def read_latest_lineages(
    admin: AdminClient,
    make_consumer: Callable[[], Consumer],
    state_topic: str,
    *,
    group: str,
    state_key: bytes,
    now: Millis,
) -> Remembered:
    """Return the lineages that can be read: none of an empty partition. `state_key` is that of the checksums.

    Every record is looked at: a stranger may have written many behind the last of ours. Raises KafkaException.
    """
    begins = partition_offsets.fetch_all(admin, state_topic, "earliest")
    ends = partition_offsets.fetch_all(admin, state_topic)
    partitions = {number: LatestLineage(Seal(state_key, number), group, now) for number in ends}
    consumer = make_consumer()
    try:
        for number, latest in partitions.items():
            _read(consumer, TopicPartition(state_topic, number, begins[number]), ends[number], latest)
    finally:
        consumer.close()
    return choose(partitions.values())


def choose(partitions: Iterable[LatestLineage]) -> Remembered:
    """Return what to believe of what the partitions have."""
    found = [each.found for each in partitions]
    by: SealedBy
    for by in ("our_key", "another_key"):
        if lineages := tuple(each[by] for each in found if by in each):
            return Remembered(lineages, by)
    return Remembered((), None)


def _latest_moment(lineage: Lineage) -> Millis:
    moments = [lineage.grown_at, lineage.begun_at, lineage.asked_from.start]
    moments += [moment for spans in lineage.asked_from.rungs.values() for moment in spans.values()]
    return max((moment for moment in moments if moment is not None), default=0)


def _read(consumer: Consumer, place: TopicPartition, end: int, latest: LatestLineage) -> None:
    position = place.offset
    consumer.assign([place])
    while position < end:
        message = consumer.poll(_POLL_TIMEOUT_S)
        if message is None:
            break
        error = message.error()
        if error is None:
            position = (message.offset() or 0) + 1
            latest.feed(message.key(), message.headers() or [])  # type: ignore[arg-type]
        elif error.code() == KafkaError._PARTITION_EOF:
            break
        elif error.code() in CORRUPT:
            # The client would fetch the same batch again and again, and its length is not known here.
            position += 1
            consumer.seek(TopicPartition(place.topic, place.partition, position))
        elif not is_transient(error):
            raise KafkaException(error)
