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

import gc
import threading
from collections.abc import Callable

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.clock import SECOND, Clock, Millis
from consumer.kafka.changelog.restore import lost_records
from consumer.kafka.clients.settings import ClientErrorLog
from consumer.kafka.clients.transaction import Fenced, Transactions, Unanswered
from consumer.kafka.detect_loop.assignment import Assignment
from consumer.kafka.detect_loop.batch_builder import BatchBuilder, Message
from consumer.kafka.detect_loop.batch_processing import BatchProcessor
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.kafka.detect_loop.checkpoint import Checkpoint
from consumer.kafka.detect_loop.end_offset_poller import EndOffsetPoller
from consumer.kafka.detect_loop.partition_count_guard import PartitionCountGuard
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics

_BATCH = 50_000
"""Records of one turn at most: whoever lags reads many at a time, and what each batch costs besides is paid once."""
_YOUNG = 4 * _BATCH
"""Objects made before Python looks for cycles. A turn makes many, in none; a look at every 700 outweighs all else."""
_PATIENCE: Millis = 100  # to wait for a full batch: short, so that no clock is late for want of input
_LAST: Millis = 20
"""The turn before a commit waits so long. The ends it reaches were asked for when it began: the clock is no older."""
_AT_HAND = 500  # messages that the consumer hands out at a time
_FENCED = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
_HOPELESS = {
    KafkaError._FATAL,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.INVALID_SESSION_TIMEOUT,
    KafkaError.INCONSISTENT_GROUP_PROTOCOL,
}
_log = structlog.get_logger()


class DetectLoop:
    """Runs until told to stop. Raises Fenced, PartitionsChanged, CutOff or KafkaException when it cannot go on."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        transactions: Transactions,
        assignment: Assignment,
        commits: Checkpoint,
        ends: EndOffsetPoller,
        count: PartitionCountGuard,
        brake_control: BrakeControl,
        reading: BatchProcessor,
        topic: str,
        clock: Clock,
        metrics: DetectMetrics,
        progress: Callable[[str], None],
        waits: Callable[[str], None],
        idle: Callable[[], None],
    ) -> None:
        """`progress` hears after every turn how it stands, `waits` for whom we wait instead.

        `idle` is called after each turn without a partition.
        """
        self._consumer = consumer
        self._transactions = transactions
        self._assignment = assignment
        self._commits = commits
        self._ends = ends
        self._count = count
        self.brake_control = brake_control
        self._reading = reading
        self._topic = topic
        self._clock = clock
        self._metrics = metrics
        self._progress = progress
        self._waits = waits
        self._idle = idle
        self._trouble = ClientErrorLog("detect")
        self._stop = threading.Event()
        self._refusal: Exception | None = None
        self._broken = False
        self._gathered = BatchBuilder()

    @property
    def partitions(self) -> dict[int, PartitionTask]:
        """Those that are worked on."""
        return self._assignment.partitions

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then commit and leave the group."""
        self._stop = stop
        gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
        try:
            self._transactions.begin(stop)
            self._consumer.subscribe(
                [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
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
        self._gather()
        self._count.check()
        poll = self._gathered.build()
        if self._commits.pending:
            self._reading.discard(poll, self.partitions)
        else:
            self._reading.process(poll, self._gathered.ends, self.partitions)
            self._advance_clocks()
        if self._commits.due:
            self._commits.commit(self.partitions, self._stop)
        self._assignment.remind()
        if not self.partitions:
            self._idle()
        self._tell()

    def _tell(self) -> None:
        if self._commits.pending:
            self._waits("the broker, to take a commit")
        elif self._reading.postponed:
            self._waits("the schema registry")
        else:
            held = [self._ends.held] if self._ends.held else []
            matters = [*self._assignment.refused.values(), *self.brake_control.status.words, *held]
            self._progress("; ".join([f"{len(self.partitions)} partitions", *matters]))

    def _gather(self) -> None:
        """Step 1: as many records as make a batch, or come within its time."""
        self._gathered = gathered = BatchBuilder()
        left = self._patience()
        until = self._clock.monotonic() + left
        while gathered.count < _BATCH and left > 0:
            messages = self._consumer.consume(_AT_HAND, left / SECOND)
            self._raise_refusal()
            errors = [m for m in messages if m.error() is not None]
            for message in errors:
                self._look_at(message)
            gathered.add([m for m in messages if m.error() is None] if errors else messages)
            left = until - self._clock.monotonic()
        if gathered.count:
            self._trouble.report_answer()

    def _patience(self) -> Millis:
        """How long to wait for a batch: not past the next commit."""
        left = self._commits.left
        return max(1, min(_PATIENCE, left - _LAST if left > _LAST else left))

    def _look_at(self, message: Message) -> None:
        error, number = message.error(), message.partition()
        if error.code() == KafkaError._PARTITION_EOF:
            if number in self.partitions:
                self._gathered.ends[number] = message.offset()
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            if number in self.partitions:
                why = lost_records(self._topic, number, self.partitions[number].position)
                self._assignment.refuse(self._consumer, TopicPartition(self._topic, number), why)
        elif error.code() in _HOPELESS or error.fatal():
            raise _explained(error)
        else:
            self._trouble.report(error)

    def _advance_clocks(self) -> None:
        """Step 4."""
        self._ends.request(self.partitions)
        asked_at, ends = self._ends.results()
        now = self._clock.now()
        for number, partition in self.partitions.items():
            if number in ends:
                partition.watermark.add_end_offset(asked_at, ends[number])
                partition.read_to(partition.position)
        hold = self.brake_control.update(self.partitions)
        found = {number: partition.collect_lapses(now, hold=hold) for number, partition in self.partitions.items()}
        self.brake_control.record(found)
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
        self._gathered.drop([spot.partition for spot in spots])
        self._assignment.release(consumer, spots, event)
        self._commits.drop_lost_partitions(self.partitions)

    def _raise_refusal(self) -> None:
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            raise refusal


def _explained(error: KafkaError) -> Exception:
    if _FENCED in error.str():
        return Fenced(
            "another process has started under the same name: give each its own kafka.instance. Or the broker was away"
            " and has lost sight of this one: a restart goes on from the last commit"
        )
    return KafkaException(error)
