"""Detect's loop: Kafka is its engine, and one thread owns the consumer, the tables and the commits.

1. Poll.                 A batch of records, and the ends of partitions that were reached.
2. Decode.               Bytes become columns; what cannot be read becomes a dead letter.
3. Apply.                Each partition's whole batch updates its table; returns and completions are noted.
4. Advance the clocks.   Ends that were asked for and have been reached move them; lapses are collected, unless the
                         brake holds them back.
5. Begin and produce.    Reminders, dead letters, clocks and state segments go into one transaction.
6. Send offsets.         Explicit ones, also when only a timer fired: they are the fence.
7. Commit.

What a crash leaves behind: before 7 nothing (the successor's first call aborts the transaction), after 7 everything.
A commit that timed out is called again, never aborted. After an abort nothing new is read: the outputs stay with
their partitions and are produced again until they are written, unless the partition has gone. On revocation: commit,
then let go. On loss: only drop, since somebody else may already be at work on it. Whoever breaks in the middle
commits nothing on its way out.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.activity.decode import ActivityDecoder
from consumer.activity.errors import BadRecord, RegistryUnavailable
from consumer.clock import SECOND, Clock, Millis
from consumer.kafka.assignment import Assignment
from consumer.kafka.caution import Caution
from consumer.kafka.client import Trouble
from consumer.kafka.commits import Commits
from consumer.kafka.count import PartitionCount
from consumer.kafka.dead_letters import dead_letter
from consumer.kafka.ends import Ends
from consumer.kafka.partition import Partition
from consumer.kafka.restore import lost_records
from consumer.kafka.transaction import Fenced, Transactions, Unanswered
from consumer.metrics import DetectMetrics

_BATCH = 20_000
_PATIENCE = 0.1  # seconds to wait for a full batch: short, so that no clock is late for want of input
_REGISTRY_PAUSE: Millis = SECOND
_FENCED = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
_HOPELESS = {
    KafkaError._FATAL,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.INVALID_SESSION_TIMEOUT,
    KafkaError.INCONSISTENT_GROUP_PROTOCOL,
}
Message: TypeAlias = Any
"""confluent_kafka's own, whose every field may be None by its types and is not where there is no error."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTopics:
    """Where the loop reads and writes."""

    activity: str
    dead_letters: str


class DetectLoop:
    """Runs until told to stop. Raises Fenced, PartitionsChanged or KafkaException when it cannot go on."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        transactions: Transactions,
        assignment: Assignment,
        commits: Commits,
        ends: Ends,
        count: PartitionCount,
        caution: Caution,
        decoder: ActivityDecoder,
        topics: LoopTopics,
        clock: Clock,
        metrics: DetectMetrics,
        progress: Callable[[str], None],
        waits: Callable[[str], None],
    ) -> None:
        """`progress` hears after every turn how it stands, `waits` for whom we wait instead."""
        self._consumer = consumer
        self._transactions = transactions
        self._assignment = assignment
        self._commits = commits
        self._ends = ends
        self._count = count
        self.caution = caution
        self._decoder = decoder
        self._topics = topics
        self._clock = clock
        self._metrics = metrics
        self._progress = progress
        self._waits = waits
        self._trouble = Trouble("detect")
        self._stop = threading.Event()
        self._refusal: Exception | None = None
        self._broken = False
        self._postponed: list[TopicPartition] = []
        """Those that wait for the schema registry, until `_postponed_to` on the steady clock."""
        self._postponed_to: Millis = 0

    @property
    def partitions(self) -> dict[int, Partition]:
        """Those that are worked on."""
        return self._assignment.partitions

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then commit and leave the group."""
        self._stop = stop
        try:
            self._transactions.begin(stop)
            self._consumer.subscribe(
                [self._topics.activity], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
            while not stop.is_set():
                self.turn()
            self._commits.commit(self.partitions, stop)
        except Unanswered as left:
            self._broken = True
            _log.warning("stopped_without_an_answer", reason=str(left))
        except BaseException:
            self._broken = True
            raise
        finally:
            self._consumer.close()

    def turn(self) -> None:
        """Once through the steps."""
        messages = self._consumer.consume(_BATCH, _PATIENCE)
        self._raise_refusal()
        self._count.check()
        records, ends = self._sorted(messages)
        if not self._commits.pending:
            self._resume_postponed()
            self._read(records, ends)
            self._advance_clocks()
        if self._commits.due:
            self._commits.commit(self.partitions, self._stop)
        self._assignment.remind()
        self._tell()

    def _tell(self) -> None:
        if self._commits.pending:
            self._waits("the broker, to take a commit")
        elif self._postponed:
            self._waits("the schema registry")
        else:
            matters = [*self._assignment.refused.values(), *self.caution.status.words]
            self._progress("; ".join([f"{len(self.partitions)} partitions", *matters]))

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
        if records:
            self._trouble.answered()
        return records, ends

    def _look_at(self, message: Message, ends: dict[int, int]) -> None:
        error, number = message.error(), message.partition()
        if error.code() == KafkaError._PARTITION_EOF:
            if number in self.partitions:
                ends[number] = message.offset()
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            if number in self.partitions:
                why = lost_records(self._topics.activity, number, self.partitions[number].position)
                self._assignment.refuse(self._consumer, TopicPartition(self._topics.activity, number), why)
        elif error.code() in _HOPELESS or error.fatal():
            raise _explained(error)
        else:
            self._trouble.heard(error)

    def _read(self, records: dict[int, list[Message]], ends: dict[int, int]) -> None:
        """Steps 2 and 3. A registry that does not answer makes no record a bad one: it is read again later."""
        left = list(records)
        try:
            for number, batch in records.items():
                if number in self.partitions:  # (and not refused for what came behind)
                    self._take(self.partitions[number], batch)
                left.remove(number)
        except RegistryUnavailable as error:
            _log.warning("registry_unavailable", error=str(error))
            self._postpone(left)
        for number, position in ends.items():
            if number in self.partitions and number not in left:
                self.partitions[number].read_to(position)

    def _take(self, partition: Partition, messages: list[Message]) -> None:
        messages = [m for m in messages if m.offset() >= partition.position]  # (a seek may bring some twice)
        if not messages:
            return
        now = self._clock.wall()
        written_at = np.array([m.timestamp()[1] for m in messages], np.int64)
        decoded = self._decoder.decode([m.value() for m in messages], written_at, now)
        self.caution.hear(partition, written_at, len(messages) - len(decoded.bad), len(decoded.bad))
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

    def _postpone(self, numbers: Sequence[int]) -> None:
        """Go back to where these partitions' tables stand, and leave them alone for a moment."""
        spots = [TopicPartition(self._topics.activity, n, self.partitions[n].position) for n in numbers]
        self._consumer.pause(spots)  # first: pausing remembers the last record handed out, and seeking undoes that
        for spot in spots:
            self._consumer.seek(spot)
        self._postponed = spots
        self._postponed_to = self._clock.steady() + _REGISTRY_PAUSE

    def _resume_postponed(self) -> None:
        if self._postponed and self._clock.steady() >= self._postponed_to:
            self._consumer.resume([spot for spot in self._postponed if spot.partition in self.partitions])
            self._postponed = []

    def _advance_clocks(self) -> None:
        """Step 4."""
        self._ends.ask(self.partitions)
        asked_at, ends = self._ends.answers()
        now = self._clock.wall()
        for number, partition in self.partitions.items():
            if number in ends:
                partition.clock.ask(asked_at, ends[number])
                partition.read_to(partition.position)
        hold = self.caution.holds(self.partitions)
        found = {number: partition.notice(now, hold=hold) for number, partition in self.partitions.items()}
        self.caution.noticed(found)
        for noticed in found.values():
            for (process, step, outcome), count in noticed.lapses.items():
                told = "expired_held" if hold and outcome == "expired" else outcome
                self._metrics.lapses.labels(process, step, told).inc(count)

    def _assigned(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        """A failure is kept: callbacks must not raise."""
        try:
            self._assignment.open(consumer, assigned, self._stop)
            if self._commits.pending:
                consumer.pause(assigned)
        except Exception as error:  # noqa: BLE001 - raised again by the loop
            self._refusal = error

    def _revoked(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        try:
            if not self._broken:
                self._commits.commit(self.partitions, self._stop)
        except Exception as error:  # noqa: BLE001 - raised again by the loop
            self._refusal, self._broken = error, True
        self._let_go(consumer, revoked, "partition_revoked")

    def _lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        self._let_go(consumer, lost, "partition_lost")

    def _let_go(self, consumer: Consumer, spots: list[TopicPartition], event: str) -> None:
        self._assignment.let_go(consumer, spots, event)
        self._commits.let_go(self.partitions)

    def _raise_refusal(self) -> None:
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            raise refusal


def _explained(error: KafkaError) -> Exception:
    if _FENCED in error.str():
        return Fenced("another process has started under the same name: give each its own kafka.instance")
    return KafkaException(error)
