"""Reads a partition's table back from the state topic, and refuses to start from one that does not fit."""

from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.clock import Millis
from consumer.detect.rules import Rules
from consumer.detect.segments import DamagedState
from consumer.detect.table import Table
from consumer.kafka import offsets
from consumer.kafka.state import Reader, Restored, Writer

_BATCH = 500
_PATIENCE = 0.05  # seconds to wait for a full batch: the end of the topic comes in a short one
_PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT}


class StateRefused(Exception):
    """The partition must not be worked on; the text says where it hurts and what to do."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition's work begins."""

    table: Table
    writer: Writer
    offset: int
    clock: Millis | None
    first: bool
    """Nothing was ever committed for it: its first offset must be, even if nothing arrives."""


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
        rules: Rules,
        from_latest: bool,
    ) -> None:
        self._admin = admin
        self._make_consumer = make_consumer
        self._topic = topic
        self._state_topic = state_topic
        self._group = group
        self._rules = rules
        self._from_latest = from_latest

    def open(self, partition: int, committed: int | None) -> Start:
        """The table that belongs to the committed input offset (None: nothing committed yet).

        Raises StateRefused, or KafkaException if the broker does not answer.
        """
        restored = self._read(partition)
        if restored is None and committed is None:
            return self._first(partition)
        self._check(partition, committed, restored)
        assert restored is not None
        return Start(restored.table, restored.writer, restored.offset, restored.clock, first=False)

    def _first(self, partition: int) -> Start:
        offset = offsets.get(self._admin, self._topic, partition, "latest" if self._from_latest else "earliest")
        return Start(Table(self._rules), Writer(self._group, self._rules.ladders), offset, None, first=True)

    def _check(self, partition: int, committed: int | None, restored: Restored | None) -> None:
        where = f"{self._topic}[{partition}]"
        rebuild = "stop every detect process and let it read its history anew (README, Rebuilding)"
        if restored is None:
            raise StateRefused(
                f"{where} is committed up to {committed}, but {self._state_topic}[{partition}] holds nothing: {rebuild}"
            )
        if committed is None:
            raise StateRefused(
                f"{self._state_topic}[{partition}] belongs to offset {restored.offset} of {where}, but the group"
                f" {self._group!r} has no committed offset (it may have expired): {rebuild}"
            )
        if committed != restored.offset:
            raise StateRefused(
                f"{where} is committed up to {committed}, but {self._state_topic}[{partition}] stands at"
                f" {restored.offset}: somebody moved the offsets of {self._group!r}, or wrote to the state: {rebuild}"
            )

    def _read(self, partition: int) -> Restored | None:
        end = offsets.get(self._admin, self._state_topic, partition)
        if end == 0:
            return None
        reader = Reader(self._group, self._rules)
        consumer = self._make_consumer()
        try:
            # A number, since "beginning" makes librdkafka ask again, half a second later.
            first = offsets.get(self._admin, self._state_topic, partition, "earliest")
            consumer.assign([TopicPartition(self._state_topic, partition, first)])
            return self._read_to(consumer, reader, partition, end)
        finally:
            consumer.close()

    def _read_to(self, consumer: Consumer, reader: Reader, partition: int, end: int) -> Restored | None:
        position = 0
        while position < end:
            for message in consumer.consume(_BATCH, _PATIENCE):
                position = max(position, self._take(reader, partition, message))
        try:
            return reader.finish()
        except DamagedState as damage:
            raise self._damaged(partition, "the end", damage) from damage

    def _take(self, reader: Reader, partition: int, message: "Message[bytes, bytes]") -> int:
        """Feed one message; returns the position behind it."""
        error, offset = message.error(), message.offset() or 0
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                return offset
            if error.retriable() or error.code() in _PASSING:
                return 0
            raise KafkaException(error)
        try:
            reader.feed(message.key(), message.value(), message.headers() or [])  # type: ignore[arg-type]
        except DamagedState as damage:
            raise self._damaged(partition, f"offset {offset}", damage) from damage
        return offset + 1

    def _damaged(self, partition: int, where: str, damage: DamagedState) -> StateRefused:
        return StateRefused(
            f"{self._state_topic}[{partition}] at {where}: {damage}. Stop every detect process and"
            " let it read its history anew (README, Rebuilding), or restore the topic"
        )
