"""Detect's loop: Kafka is its engine, and one thread owns the consumer, the tables and the commits.

1. Poll.                 A batch of records, and the ends of partitions that were reached.
2. Decode.               Bytes become columns; what cannot be read becomes a dead letter.
3. Apply.                Each partition's whole batch updates its table; returns and completions are noted.
4. Advance the clocks.   Ends that were asked for and have been reached move them; lapses are collected.
5. Begin and produce.    Reminders, dead letters, clocks and state segments go into one transaction.
6. Send offsets.         Explicit ones, also when only a timer fired: they are the fence.
7. Commit.

What a crash leaves behind: before 7 nothing (the successor's first call aborts the transaction), after 7 everything.
A commit that timed out is called again, never aborted. After an abort the outputs stay with their partitions and are
produced by the next commit, unless the partition has gone. On revocation: commit, then let go. On loss: only drop,
since somebody else may already be at work on it.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.activity.decode import ActivityDecoder, Decoded
from consumer.activity.errors import BadRecord, RegistryUnavailable
from consumer.clock import Clock, Millis
from consumer.kafka.dead_letters import dead_letter
from consumer.kafka.ends import Ends
from consumer.kafka.partition import Partition
from consumer.kafka.restore import Restorer, Start
from consumer.kafka.transaction import Aborted, Fenced, Transactions
from consumer.metrics import DetectMetrics

_BATCH = 20_000
_REGISTRY_PAUSE = 1.0
Message: TypeAlias = Any
"""confluent_kafka's own, whose every field may be None by its types and is not where there is no error."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTopics:
    """Where the loop reads and writes."""

    activity: str
    dead_letters: str


class DetectLoop:
    """Runs until told to stop. Raises Fenced, StateRefused or KafkaException when it cannot go on."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        transactions: Transactions,
        restorer: Restorer,
        ends: Ends,
        decoder: ActivityDecoder,
        topics: LoopTopics,
        make_partition: Callable[[int, Start], Partition],
        commit_interval: Millis,
        clock: Clock,
        metrics: DetectMetrics,
        progress: Callable[[str], None],
    ) -> None:
        self._consumer = consumer
        self._transactions = transactions
        self._restorer = restorer
        self._ends = ends
        self._decoder = decoder
        self._topics = topics
        self._make_partition = make_partition
        self._commit_interval = commit_interval
        self._clock = clock
        self._metrics = metrics
        self._progress = progress
        self._stop = threading.Event()
        self._next_commit: Millis = 0
        self._refusal: Exception | None = None
        self.partitions: dict[int, Partition] = {}

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then commit and leave the group."""
        self._stop = stop
        self._transactions.begin()
        self._consumer.subscribe(
            [self._topics.activity], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        try:
            while not stop.is_set():
                self.turn()
            self._commit_if_news()
        finally:
            self._consumer.close()

    def turn(self) -> None:
        """Once through the steps."""
        messages = self._consumer.consume(_BATCH, self._patience())
        self._raise_refusal()
        records, ends = self._sorted(messages)
        for number, batch in records.items():
            self._take(self.partitions[number], batch)
        for number, position in ends.items():
            self.partitions[number].read_to(position)
        self._advance_clocks()
        if self._clock.steady() >= self._next_commit:
            self._commit_if_news()
            self._next_commit = self._clock.steady() + self._commit_interval
        self._progress(f"{len(self.partitions)} partitions")

    def _patience(self) -> float:
        """Seconds to wait for records: short, so that clocks and commits are never late for want of input."""
        return min(0.1, self._commit_interval / 4_000)

    def _sorted(self, messages: Sequence[Message]) -> tuple[dict[int, list[Message]], dict[int, int]]:
        """Step 1: records by partition, and positions at which a partition's end was reached."""
        records: dict[int, list[Message]] = {}
        ends: dict[int, int] = {}
        for message in messages:
            number = message.partition()
            if message.error() is not None:
                self._look_at(message, ends)
            elif number in self.partitions:
                records.setdefault(number, []).append(message)
        return records, ends

    def _look_at(self, message: Message, ends: dict[int, int]) -> None:
        error, number = message.error(), message.partition()
        if error.code() == KafkaError._PARTITION_EOF:
            if number in self.partitions:
                ends[number] = message.offset()
        elif error.fatal() or error.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.TOPIC_AUTHORIZATION_FAILED}:
            raise KafkaException(error)
        else:
            _log.warning("consumer_error", error=error.name(), detail=error.str())

    def _take(self, partition: Partition, messages: list[Message]) -> None:
        """Steps 2 and 3."""
        if messages[0].offset() < partition.position:  # fetched before the partition was assigned anew
            messages = [m for m in messages if m.offset() >= partition.position]
            if not messages:
                return
        now = self._clock.wall()
        decoded = self._decoded(messages, now)
        if decoded is None:
            return
        strangers = partition.hear(decoded.frame, now)
        for bad in decoded.bad:
            problem = BadRecord(bad.reason, bad.error)
            partition.outputs.append(dead_letter(self._topics.dead_letters, messages[bad.index], problem))
            self._metrics.dead_letters.labels(self._topics.activity, bad.reason).inc()
        partition.read_to(messages[-1].offset() + 1)
        self._metrics.events.labels("applied").inc(decoded.frame.height - strangers)
        self._metrics.events.labels("unknown_process").inc(strangers)
        self._metrics.events.labels("clamped").inc(decoded.clamped)
        self._metrics.events.labels("ignored").inc(decoded.ignored)

    def _decoded(self, messages: list[Message], now: Millis) -> Decoded | None:
        """Step 2. A registry that does not answer makes no record a bad one: wait for it. None: told to stop."""
        values = [m.value() for m in messages]
        timestamps = np.array([m.timestamp()[1] for m in messages], np.int64)
        while not self._stop.is_set():
            try:
                return self._decoder.decode(values, timestamps, now)
            except RegistryUnavailable as error:
                _log.warning("registry_unavailable", error=str(error))
                self._progress("waiting for the schema registry")
                self._stop.wait(_REGISTRY_PAUSE)
        return None

    def _advance_clocks(self) -> None:
        """Step 4."""
        self._ends.ask(self.partitions)
        asked_at, ends = self._ends.answers()
        now = self._clock.wall()
        for number, partition in self.partitions.items():
            if number in ends:
                partition.clock.ask(asked_at, ends[number])
                partition.read_to(partition.position)
            for (process, step, outcome), count in partition.notice(now).lapses.items():
                self._metrics.lapses.labels(process, step, outcome).inc(count)

    def _commit_if_news(self) -> None:
        """Steps 5 to 7, for every partition that has something to write."""
        news = [partition for partition in self.partitions.values() if partition.has_news()]
        if not news:
            return
        now = self._clock.wall()
        outputs = [output for partition in news for output in partition.close_batch(now)]
        offsets = [TopicPartition(self._topics.activity, p.number, p.position) for p in news]
        try:
            with self._metrics.commit.time():
                self._transactions.commit(outputs, offsets, self._consumer)
        except Aborted as aborted:
            self._metrics.commit_failures.labels("aborted").inc()
            _log.warning("commit_aborted", error=str(aborted))
            return
        except Fenced:
            self._metrics.commit_failures.labels("fenced").inc()
            raise
        for partition in news:
            self._published(partition)

    def _published(self, partition: Partition) -> None:
        now = self._clock.wall()
        for reminder in partition.committed():
            self._metrics.reminders.labels(reminder.process, reminder.step, reminder.kind).inc()
            if reminder.kind == "DUE" and reminder.lapsed_at is not None:
                self._metrics.lapse_to_reminder.observe((now - reminder.lapsed_at) / 1000)
        self._metrics.tracked_keys.labels(partition.number).set(len(partition.table))
        delay = partition.clock.delay(now)
        if delay is not None:
            self._metrics.clock_delay.labels(partition.number).set(delay / 1000)

    def _assigned(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        """Restore, then start where the restored table ends. A failure is kept: callbacks must not raise."""
        try:
            committed = consumer.committed(assigned, timeout=30.0)
            starts = []
            for spot in committed:
                with self._metrics.restore.time():
                    start = self._restorer.open(spot.partition, None if spot.offset < 0 else spot.offset)
                self.partitions[spot.partition] = self._make_partition(spot.partition, start)
                starts.append(TopicPartition(spot.topic, spot.partition, start.offset))
                _log.info("partition_opened", partition=spot.partition, offset=start.offset, keys=len(start.table))
            consumer.incremental_assign(starts)
        except Exception as error:  # noqa: BLE001 - raised again by the loop
            self._refusal = error

    def _revoked(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        try:
            self._commit_if_news()
        except Exception as error:  # noqa: BLE001 - raised again by the loop
            self._refusal = error
        self._let_go(consumer, revoked, "partition_revoked")

    def _lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        self._let_go(consumer, lost, "partition_lost")

    def _let_go(self, consumer: Consumer, spots: list[TopicPartition], event: str) -> None:
        for spot in spots:
            self.partitions.pop(spot.partition, None)
            _log.info(event, partition=spot.partition)
        consumer.incremental_unassign(spots)

    def _raise_refusal(self) -> None:
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            raise refusal
