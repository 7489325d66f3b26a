"""Reads a partition's table back from the state topic, and refuses to start from one that does not fit."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.clock import Millis
from consumer.detect.brake import NO_BRAKE_STATE, BrakeState
from consumer.detect.lapse_rules import LapseRules
from consumer.detect.snapshot import DamagedState
from consumer.detect.table import Table
from consumer.kafka.changelog.reader import ChangelogReader, Restored
from consumer.kafka.changelog.writer import ChangelogWriter
from consumer.kafka.clients import partition_offsets
from consumer.kafka.clients.error_codes import CORRUPT, is_transient
from consumer.kafka.clients.transactional_producer import Unanswered

REBUILT = b"rebuilt"
"""The key of the record behind which a partition begins anew: what lies before it, damaged or not, is over. Its value
says for which group, and from which offset of the input (`anew`)."""

_CONSUME_CHUNK = 500  # messages
_CONSUME_TIMEOUT_S = 0.02  # short: the last chunk of the topic is not a full one
_MAX_EMPTY_CHUNKS = 1500  # half a minute
_REQUEST_TIMEOUT_S = 5.0
REBUILD = "stop every detect process and run `lapse state rebuild`"
"""What to do when a partition's state cannot be used."""


class StateRefused(Exception):
    """The partition must not be worked on; the text says where it hurts and what to do."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition's work begins."""

    table: Table
    writer: ChangelogWriter
    offset: int
    watermark: Millis | None
    first: bool
    """Nothing was ever committed for it: its first offset must be, even if nothing arrives."""
    brake_state: BrakeState = NO_BRAKE_STATE


class Restorer:
    """Opens partitions: committed offset, end of the state topic, everything up to it, in that order."""

    def __init__(
        self,
        admin: AdminClient,
        make_consumer: Callable[[], Consumer],
        *,
        topic: str,
        state_topic: str,
        group: str,
        rules: LapseRules,
        from_latest: bool,
    ) -> None:
        self._admin = admin
        self._make_consumer = make_consumer
        self._topic = topic
        self._state_topic = state_topic
        self._group = group
        self._rules = rules
        self._from_latest = from_latest

    def open(self, partition: int, committed: int | None, stop: threading.Event) -> Start:
        """The table that belongs to the committed input offset (None: nothing committed yet).

        Raises StateRefused; KafkaException if the broker does not answer; Unanswered once `stop` is set.
        """
        restored, begins_at = self._read(partition, stop)
        if restored is None and committed in (None, begins_at):
            return self._first(partition, begins_at)
        self._check(partition, committed, restored)
        assert restored is not None
        return Start(restored.table, restored.writer, restored.offset, restored.clock, False, restored.verdicts)

    def _first(self, partition: int, offset: int | None) -> Start:
        """`offset` is what a rebuild has told to begin from."""
        if offset is None:
            which: Literal["earliest", "latest"] = "latest" if self._from_latest else "earliest"
            offset = partition_offsets.fetch(self._admin, self._topic, partition, which, timeout_s=_REQUEST_TIMEOUT_S)
        return Start(Table(self._rules), ChangelogWriter(self._group, self._rules.ladders), offset, None, first=True)

    def _check(self, partition: int, committed: int | None, restored: Restored | None) -> None:
        where = f"{self._topic}[{partition}]"
        if restored is None:
            raise StateRefused(
                f"{where} is committed up to {committed}, but {self._state_topic}[{partition}] holds nothing: {REBUILD}"
            )
        if committed is None:
            raise StateRefused(
                f"{self._state_topic}[{partition}] belongs to offset {restored.offset} of {where}, but the group"
                f" {self._group!r} has no committed offset (it may have expired): {REBUILD}"
            )
        if committed != restored.offset:
            raise StateRefused(
                f"{where} is committed up to {committed}, but {self._state_topic}[{partition}] stands at"
                f" {restored.offset}: somebody moved the offsets of {self._group!r}, or wrote to the state: {REBUILD}"
            )

    def _read(self, partition: int, stop: threading.Event) -> tuple[Restored | None, int | None]:
        """What the state topic holds, and where a rebuild has told to begin, if one was the last to write."""
        end = partition_offsets.fetch(self._admin, self._state_topic, partition, timeout_s=_REQUEST_TIMEOUT_S)
        if end == 0:
            return None, None
        # A number, since "beginning" makes librdkafka ask again, half a second later.
        first = partition_offsets.fetch(
            self._admin, self._state_topic, partition, "earliest", timeout_s=_REQUEST_TIMEOUT_S
        )
        reading = _Reading(lambda: ChangelogReader(self._group, self._rules), self._group)
        consumer = self._make_consumer()
        try:
            spot = TopicPartition(self._state_topic, partition, first)
            consumer.assign([spot])
            _read_to(consumer, spot, end, reading, stop)
        finally:
            consumer.close()
        try:
            return reading.finish(), reading.begins_at
        except DamagedState as damage:
            where = damage.where or reading.where
            raise StateRefused(
                f"{self._state_topic}[{partition}] at {where}: {damage}. Restore the topic, or {REBUILD}"
            ) from damage


def anew(group: str, offset: int) -> bytes:
    """The value of a record with the key REBUILT: begin from this offset, with nothing remembered."""
    return json.dumps({"group": group, "offset": offset}).encode()


def lost_records(topic: str, partition: int, position: int) -> StateRefused:
    """What to say when the input no longer has the record to go on with."""
    return StateRefused(
        f"{topic}[{partition}] no longer has its records from offset {position} on (were they past its retention? was"
        f" the topic made anew?), and what they said is lost: {REBUILD}"
    )


class _Reading:
    """What a partition of the state topic has told so far. Damage counts unless the partition was rebuilt since."""

    def __init__(self, make_reader: Callable[[], ChangelogReader], group: str) -> None:
        self._make_reader = make_reader
        self._group = group
        self._reader = make_reader()
        self._damage: DamagedState | None = None
        self.where = "the end"
        self.begins_at: int | None = None
        """What the last rebuild has told."""

    def feed(self, message: Message) -> None:
        where = f"offset {message.offset()}"
        try:
            if message.key() == REBUILT:
                self._begin_anew(message)
            elif self._damage is None:
                self._reader.feed(message.key(), message.value(), message.headers() or [], where)  # type: ignore[arg-type]
        except DamagedState as damage:
            self._damage, self.where = damage, where

    def spoiled(self, offset: int, why: str) -> None:
        """In this place there are bytes that the broker was never given."""
        self._damage = self._damage or DamagedState(
            f"the broker's file cannot be read there: {why}", f"offset {offset}"
        )

    def finish(self) -> Restored | None:
        """Raises DamagedState."""
        if self._damage is not None:
            raise self._damage
        return self._reader.finish()

    def _begin_anew(self, message: Message) -> None:
        try:
            told = json.loads(message.value() or b"")
            group, offset = str(told["group"]), int(told["offset"])
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedState("its word on a rebuild cannot be read") from error
        if group != self._group:
            raise DamagedState(f"it was rebuilt for the group {group!r}, not {self._group!r}")
        self._reader, self._damage, self.where, self.begins_at = self._make_reader(), None, "the end", offset


def _read_to(consumer: Consumer, spot: TopicPartition, end: int, reading: _Reading, stop: threading.Event) -> None:
    """Feed what lies from the spot up to `end`. What is uncommitted is waited for: the end may lie behind an open
    transaction.
    """
    position, silence = spot.offset, 0
    while position < end:
        messages = consumer.consume(_CONSUME_CHUNK, _CONSUME_TIMEOUT_S)
        silence = 0 if messages else silence + 1
        if stop.is_set():
            raise Unanswered("stopped while a partition's state was read")
        if silence > _MAX_EMPTY_CHUNKS:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the state topic cannot be read to its end"))
        for message in messages:
            error = message.error()
            if error is not None and error.code() in CORRUPT:
                reading.spoiled(position, error.str())
                # The client would fetch the same again, and again. How long it is only it could tell.
                position += 1
                consumer.seek(TopicPartition(spot.topic, spot.partition, position))
                break
            position = max(position, _take(message, reading))


def _take(message: Message, reading: _Reading) -> int:
    """Feed one message; returns the position behind it."""
    error, offset = message.error(), message.offset() or 0
    if error is None:
        reading.feed(message)
        return offset + 1
    if error.code() == KafkaError._PARTITION_EOF:
        return offset
    if is_transient(error):
        return 0
    raise KafkaException(error)
