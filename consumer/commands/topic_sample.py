"""Reads the newest records of a topic, without a group and without committing anything."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.clock import SECOND, Clock, Millis
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.client_settings import client_settings
from consumer.kafka.clients.error_codes import TOPIC_ABSENT, is_transient
from consumer.kafka.dead_letters import topic_reader

_BATCH = 500
_READ_TIMEOUT_MS: Millis = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest records by partition, in order; `ranges` are the offsets of everything that the topic holds."""

    messages: Mapping[int, list[Any]]
    ranges: Mapping[int, range]

    def __len__(self) -> int:
        return sum(map(len, self.messages.values()))

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.messages.values())

    @property
    def oldest(self) -> Millis | None:
        """Return from when on every partition was read; None if there is nothing."""
        return max((found[0].timestamp()[1] for found in self.messages.values() if found), default=None)

    @property
    def is_whole(self) -> bool:
        """Return whether nothing older is there."""
        return all(
            found[0].offset() <= self.ranges[number].start for number, found in self.messages.items() if found
        ) and all(self.messages.get(number) or not span for number, span in self.ranges.items())


class TopicSampler:
    """`prefix` begins the name that the broker sees. With `committed` records of open and aborted transactions are
    left out."""

    def __init__(
        self, admin: AdminClient, kafka: KafkaSettings, clock: Clock, prefix: str, *, committed: bool = False
    ) -> None:
        self._admin = admin
        self._kafka = kafka
        self._clock = clock
        self._group = f"{prefix}-check"
        self._isolation = "read_committed" if committed else "read_uncommitted"

    def newest(self, topic: str, max_records: int, max_bytes: int, *, each: bool = False) -> Sample:
        """Return the newest records, as many of each partition, read for at most ten seconds.

        `max_records` are for all partitions together, or with `each` for each of them.

        Uncommitted ones are among them: their partition and their fields are right or wrong too. A topic that does not
        exist yet holds nothing. Raises KafkaException.
        """
        try:
            ranges = topic_reader.offset_ranges(self._admin, topic)
        except KafkaException as problem:
            if problem.args[0].code() not in TOPIC_ABSENT:
                raise
            return Sample({}, {})
        share = max_records if each else max(1, max_records // max(1, sum(map(bool, ranges.values()))))
        spans = {n: range(max(span.start, span.stop - share), span.stop) for n, span in ranges.items() if span}
        found: dict[int, list[Any]] = {number: [] for number in spans}
        for message in self._read(topic, spans, max_bytes):
            found[message.partition()].append(message)
        return Sample(found, ranges)

    def older(self, topic: str, sample: Sample, max_records: int, max_bytes: int) -> Iterator[Any]:
        """Yield the records before those of a sample that have a value. Raises KafkaException."""
        share = max_records // max(1, len(sample.messages))
        spans = {
            number: range(max(sample.ranges[number].start, found[0].offset() - share), found[0].offset())
            for number, found in sample.messages.items()
            if found
        }
        for message in self._read(topic, spans, max_bytes):
            if message.value():
                yield message

    def follow(self, positions: Mapping[tuple[str, int], int]) -> Iterator[Any]:
        """Yield the records from these offsets on, by topic and partition, for ever; None whenever none has come for a
        moment. Raises KafkaException."""
        consumer = self._consumer()
        try:
            consumer.assign([TopicPartition(*place, offset) for place, offset in positions.items()])
            while True:
                messages = consumer.consume(_BATCH, 0.2)
                if not messages:
                    yield None
                for message in messages:
                    if (error := message.error()) is None:
                        yield message
                    elif error.code() != KafkaError._PARTITION_EOF and not is_transient(error):
                        raise KafkaException(error)
        finally:
            consumer.close()

    def _read(self, topic: str, spans: Mapping[int, range], max_bytes: int) -> Iterator[Any]:
        consumer = self._consumer()
        try:
            going = {number: span for number, span in spans.items() if span}
            consumer.assign([TopicPartition(topic, number, span.start) for number, span in going.items()])
            yield from _messages(consumer, going, max_bytes, self._clock.monotonic)
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        ours = {"group.id": self._group, "enable.auto.commit": False, "enable.partition.eof": True}
        ours |= {"isolation.level": self._isolation, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100}
        return Consumer(client_settings(self._kafka, ours))


def _messages(
    consumer: Consumer, going: dict[int, range], bytes_left: int, monotonic: Callable[[], Millis]
) -> Iterator[Any]:
    deadline = monotonic() + _READ_TIMEOUT_MS
    while going and bytes_left > 0 and monotonic() < deadline:
        for message in consumer.consume(_BATCH, 0.1):
            number, error = message.partition() or 0, message.error()
            if error is None and (position := (message.offset() or 0) + 1) <= going.get(number, range(0)).stop:
                bytes_left -= len(message)
                yield message
                if position == going[number].stop:
                    del going[number]
            elif error is None or error.code() == KafkaError._PARTITION_EOF:
                going.pop(number, None)  # at the end there may be markers of transactions in place of records
            elif not error.retriable():
                raise KafkaException(error)
