"""Restores a partition's table from the state topic, and refuses one that does not fit the committed offset."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.clock import Clock, Millis
from consumer.detect.brake import NO_BRAKE_STATE, BrakeState
from consumer.detect.lapse_rules import AskedFrom, LapseRules, Processes
from consumer.detect.row_loops import RowLoops
from consumer.detect.snapshot import DamagedState
from consumer.detect.table import Table
from consumer.kafka.changelog import lineage, rebuild_marker
from consumer.kafka.changelog.input_topic import InputDescriber
from consumer.kafka.changelog.lineage import Difference, InputTopic
from consumer.kafka.changelog.reader import ChangelogReader, Restored
from consumer.kafka.changelog.rebuild_marker import RebuildMarker
from consumer.kafka.changelog.segment_header import Headers, Seal
from consumer.kafka.changelog.writer import ChangelogWriter
from consumer.kafka.clients import partition_offsets
from consumer.kafka.clients.error_codes import CORRUPT
from consumer.kafka.clients.message_position import position_behind
from consumer.kafka.clients.transactional_producer import Unanswered

_MESSAGES_PER_POLL = 500
_POLL_TIMEOUT_S = 0.02  # short, since the end of the topic comes in a batch that is not full
_MAX_EMPTY_POLLS = 1500  # in a row: half a minute
_REQUEST_TIMEOUT_S = 5.0
REBUILD = "stop every detect process and run `lapse state rebuild`"
"""What to do when a partition's state cannot be used."""
_log = structlog.get_logger()


class StateRefused(Exception):
    """The partition must not be processed; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a partition's processing starts from."""

    table: Table
    writer: ChangelogWriter
    offset: int
    watermark: Millis | None
    first: bool
    """Nothing was ever committed for it: its first offset must be committed even if nothing arrives."""
    brake_state: BrakeState = NO_BRAKE_STATE


class Restorer:
    """Opens partitions: asks for the committed offset, then the end of the state topic, then reads up to it."""

    def __init__(
        self,
        admin: AdminClient,
        make_consumer: Callable[[], Consumer],
        *,
        topic: str,
        state_topic: str,
        group: str,
        rules: LapseRules,
        loops: RowLoops,
        from_latest: bool,
        backfill: Millis,
        endings_missed: bool,
        state_key: bytes,
        clock: Clock,
    ) -> None:
        """`backfill` is how far before a first start lapses are asked for; `endings_missed`: events of a process that
        is not configured cannot be applied (see `lineage.update`). `state_key` is that of the checksums."""
        self._admin = admin
        self._make_consumer = make_consumer
        self._describer = InputDescriber(admin, topic)
        self._topic = topic
        self._state_topic = state_topic
        self._group = group
        self._processes = Processes(rules)
        self._loops = loops
        self._endings_missed = endings_missed
        self._state_key = state_key
        self._clock = clock
        self._from_latest = from_latest
        self._started_at = clock.now()
        self._backfill = backfill

    def open(self, partition: int, committed: int | None, stop: threading.Event) -> Start:
        """Return the table that belongs to the committed input offset (None: nothing committed yet).

        Raises StateRefused; KafkaException if the broker does not answer; Unanswered once `stop` is set.
        """
        topic = self._describer.describe(_REQUEST_TIMEOUT_S)
        restored, rebuilt = self._read(partition, stop)
        if restored is None and committed in (None, rebuilt and rebuilt.offset):
            return self._start_anew(partition, topic, rebuilt)
        if restored is not None:
            self._continue(partition, topic, restored.writer)
            restored.table.row_rules.ask_from(restored.writer.lineage.asked_from)
        self._check(partition, committed, restored)
        assert restored is not None
        return Start(restored.table, restored.writer, restored.offset, restored.watermark, False, restored.brake_state)

    def _start_anew(self, partition: int, topic: InputTopic, rebuilt: RebuildMarker | None) -> Start:
        """Start with an empty table, where the rebuild says if there was one; else this is the first start."""
        grown_at = None if rebuilt is None else rebuilt.grown_at
        asked_from = AskedFrom(start=self._started_at - self._backfill) if rebuilt is None else rebuilt.asked_from
        begun = lineage.create(
            topic,
            self._processes.rules.ladders,
            grown_at=grown_at,
            asked_from=asked_from,
            begun_at=self._clock.now(),
        )
        writer = ChangelogWriter(self._group, begun, Seal(self._state_key, partition))
        table = Table(self._processes, not_before=grown_at, loops=self._loops)
        table.row_rules.ask_from(asked_from)
        return Start(table, writer, self._first_offset(partition) if rebuilt is None else rebuilt.offset, None, True)

    def _first_offset(self, partition: int) -> int:
        which: partition_offsets.Which = "latest" if self._from_latest else "earliest"
        return partition_offsets.fetch(self._admin, self._topic, partition, which, timeout_s=_REQUEST_TIMEOUT_S)

    def _continue(self, partition: int, topic: InputTopic, writer: ChangelogWriter) -> None:
        """Compare the lineage with what is there, and continue it. Raises StateRefused."""
        try:
            difference = continue_lineage(
                writer,
                self._processes,
                topic,
                self._clock.now(),
                endings_missed=self._endings_missed,
                started_at=self._started_at,
            )
        except StateRefused as why:
            raise StateRefused(f"{self._state_topic}[{partition}] does not fit: {why}") from None
        for name in ("new", "back", "gone", "changed"):
            if found := getattr(difference, name):
                _log.info("processes_changed", partition=partition, how=name, processes=list(found))

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

    def _read(self, partition: int, stop: threading.Event) -> tuple[Restored | None, RebuildMarker | None]:
        """Return what the state topic holds since the last rebuild marker, and that marker."""
        end = partition_offsets.fetch(self._admin, self._state_topic, partition, timeout_s=_REQUEST_TIMEOUT_S)
        if end == 0:
            return None, None
        # As a number: with "beginning" librdkafka asks again, half a second later.
        first = partition_offsets.fetch(
            self._admin, self._state_topic, partition, "earliest", timeout_s=_REQUEST_TIMEOUT_S
        )
        seal = Seal(self._state_key, partition)
        read = partial(ChangelogReader, self._group, self._processes, seal, loops=self._loops)
        reading = _PartitionReader(read, self._group, seal)
        consumer = self._make_consumer()
        try:
            topic_partition = TopicPartition(self._state_topic, partition, first)
            consumer.assign([topic_partition])
            _read_to(consumer, topic_partition, end, reading, stop)
        finally:
            consumer.close()
        try:
            return reading.finish(), reading.rebuilt
        except DamagedState as damage:
            where = damage.where or reading.where
            raise StateRefused(
                f"{self._state_topic}[{partition}] at {where}: {damage}. Restore the topic, or {REBUILD}"
            ) from damage


def continue_lineage(
    writer: ChangelogWriter,
    processes: Processes,
    topic: InputTopic,
    now: Millis,
    *,
    endings_missed: bool,
    started_at: Millis,
) -> Difference:
    """Have a restored partition's writer continue its lineage. Returns what has changed. Raises StateRefused."""
    ladders = processes.rules.ladders
    difference = lineage.check(writer.lineage, topic, ladders)
    if difference.refusal is not None:
        raise StateRefused(f"{difference.refusal}, {REBUILD}")
    writer.lineage = lineage.update(
        writer.lineage, topic, ladders, now, endings_missed=endings_missed, started_at=started_at
    )
    for name, known in writer.lineage.processes.items():
        if known.not_before is not None:
            processes.ask_only_from(name, known.not_before)
    return difference


def lost_records(topic: str, partition: int, position: int) -> StateRefused:
    """Return the refusal of a partition whose next record is no longer in the input."""
    return StateRefused(
        f"{topic}[{partition}] no longer has its records from offset {position} on (were they past its retention? was"
        f" the topic made anew?), and what they said is lost: {REBUILD}"
    )


class _PartitionReader:
    """Collects the records of one partition of the state topic. Damage before a rebuild marker does not count."""

    def __init__(self, make_reader: Callable[[], ChangelogReader], group: str, seal: Seal) -> None:
        self._make_reader = make_reader
        self._group = group
        self._seal = seal
        self._reader = make_reader()
        self._damage: DamagedState | None = None
        self.where = "the end"
        self.rebuilt: RebuildMarker | None = None
        """The last rebuild marker."""

    def feed(self, message: Message) -> None:
        where = f"offset {message.offset()}"
        try:
            if message.key() == rebuild_marker.REBUILT:
                self._handle_rebuild(message)
            elif self._damage is None:
                self._reader.feed(message.key(), message.value(), message.headers() or [], where)  # type: ignore[arg-type]
        except DamagedState as damage:
            self._damage, self.where = damage, where

    def mark_corrupt(self, offset: int, why: str) -> None:
        """Note that the broker's file is corrupt at this offset."""
        self._damage = self._damage or DamagedState(
            f"the broker's file cannot be read there: {why}", f"offset {offset}"
        )

    def finish(self) -> Restored | None:
        """Return what was restored; None if the partition is empty. Raises DamagedState."""
        if self._damage is not None:
            raise self._damage
        return self._reader.finish()

    def _handle_rebuild(self, message: Message) -> None:
        headers: Headers = message.headers() or []  # type: ignore[assignment]
        marker = rebuild_marker.parse(self._seal, self._group, headers, message.value() or b"")
        self._reader, self._damage, self.where, self.rebuilt = self._make_reader(), None, "the end", marker


def _read_to(
    consumer: Consumer, topic_partition: TopicPartition, end: int, reading: _PartitionReader, stop: threading.Event
) -> None:
    """Feed everything from the given offset to `end`, waiting for open transactions before it to finish."""
    position, empty_polls = topic_partition.offset, 0
    while position < end:
        messages = consumer.consume(_MESSAGES_PER_POLL, _POLL_TIMEOUT_S)
        empty_polls = 0 if messages else empty_polls + 1
        if stop.is_set():
            raise Unanswered("stopped while a partition's state was read")
        if empty_polls > _MAX_EMPTY_POLLS:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the state topic cannot be read to its end"))
        for message in messages:
            error = message.error()
            if error is not None and error.code() in CORRUPT:
                reading.mark_corrupt(position, error.str())
                # The client would fetch the same batch again and again, and its length is not known here.
                position += 1
                consumer.seek(TopicPartition(topic_partition.topic, topic_partition.partition, position))
                break
            if error is None:
                reading.feed(message)
            position = max(position, position_behind(message))
