"""Detect's loop: one thread owns the consumer, the tables and the transactions.

1. Poll.                  A batch of records, and the ends of partitions that were reached.
2. Decode.                Bytes become columns; what cannot be read becomes a dead letter.
3. Apply.                 Each partition's part updates its table; returns and completions are noted.
4. Advance watermarks.    End offsets that have been reached move them; lapses are collected, unless the brake holds
                          them.
5. Begin and produce.     Reminders, dead letters, watermarks and changelog segments go into one transaction.
6. Send offsets.          Explicit ones, also when only a timer fired: they fence a member that lost its partitions.
7. Commit.

What a crash leaves behind: before 7 nothing (the successor's first call aborts the transaction), after 7 everything.
A commit that timed out is called again, never aborted. After an abort nothing new is read: the outputs stay with
their tasks and are produced again until they are written, or until the partition has gone. On revocation: commit,
then release. On loss: only drop, since another member may be at work on the partition. A loop that fails in the middle
commits nothing on its way out.
"""

import gc
import threading
from collections.abc import Callable, Container

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.clock import SECOND, Clock, Millis
from consumer.detect.table import AdvanceResult
from consumer.kafka.changelog.restore import lost_records
from consumer.kafka.clients.client_error_log import ClientErrorLog
from consumer.kafka.clients.error_codes import GROUP_REFUSED, UNAUTHORIZED, consumer_refusal, is_fatal, is_fenced
from consumer.kafka.clients.transactional_producer import Fenced, Unanswered
from consumer.kafka.detect_loop.assignment import Assignment
from consumer.kafka.detect_loop.batch_builder import BatchBuilder, Message
from consumer.kafka.detect_loop.batch_processor import BatchProcessor
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.kafka.detect_loop.checkpoint import Checkpoint
from consumer.kafka.detect_loop.end_offset_poller import EndOffsetPoller
from consumer.kafka.detect_loop.fetching import Fetch
from consumer.kafka.detect_loop.partition_count_guard import PartitionCountGuard
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.kafka.detect_loop.start_report import StartReport
from consumer.metrics import DetectMetrics

_GC_THRESHOLD = 200_000
"""Objects made before Python looks for cycles. A batch makes many objects and no cycle; a search at every 700 objects
would cost more than everything else."""
_MAX_LAPSES = 20_000
"""Lapses that a turn asks for in all partitions: less than a tenth of a second, so that the others go on. After an
outage millions may be due."""
_MAX_UNCOMMITTED_REMINDERS = 100_000
"""Then a commit begins before its time, so that it does not take much longer than others."""
_POLL_TIMEOUT_MS: Millis = 100  # short, so that no watermark is late because nothing arrives
_SHORT_POLL_TIMEOUT_MS: Millis = 20
"""The poll before a commit: it reaches end offsets that were requested when it began, so the watermark is no older. And
each poll while lapses wait: long enough for a whole batch of a partition that lags."""
_AT_ONCE_MS: Millis = 1
_log = structlog.get_logger()


class DetectLoop:
    """Runs until told to stop. Raises Fenced, PartitionsChanged, CutOff or KafkaException when it cannot go on."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        fetch: Fetch,
        assignment: Assignment,
        batch_processor: BatchProcessor,
        end_offset_poller: EndOffsetPoller,
        brake_control: BrakeControl,
        checkpoint: Checkpoint,
        partition_count_guard: PartitionCountGuard,
        topic: str,
        group: str,
        clock: Clock,
        metrics: DetectMetrics,
        report_progress: Callable[[str], None],
        report_wait: Callable[[str], None],
        on_idle: Callable[[], None],
    ) -> None:
        """After each turn `report_progress` is told how it goes, or `report_wait` what we wait for instead.

        `on_idle` is called after each turn without a partition.
        """
        self._consumer = consumer
        self._fetch = fetch
        self._assignment = assignment
        self._batch_processor = batch_processor
        self._end_offset_poller = end_offset_poller
        self.brake_control = brake_control
        self._checkpoint = checkpoint
        self._partition_count_guard = partition_count_guard
        self._topic = topic
        self._group = group
        self._clock = clock
        self._metrics = metrics
        self._report_progress = report_progress
        self._report_wait = report_wait
        self._on_idle = on_idle
        self._start_report = StartReport(clock)
        self._error_log = ClientErrorLog("detect")
        self._stop = threading.Event()
        self._callback_failure: Exception | None = None
        self._failed = False
        self._lapses_wait = False
        self._builder = BatchBuilder()

    @property
    def tasks(self) -> dict[int, PartitionTask]:
        """The partitions that are worked on."""
        return self._assignment.tasks

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then commit and leave the group."""
        self._stop = stop
        gc.set_threshold(_GC_THRESHOLD, *gc.get_threshold()[1:])
        try:
            self._checkpoint.take_over(stop)
            callbacks = {"on_assign": self._on_assign, "on_revoke": self._on_revoke, "on_lost": self._on_lost}
            self._consumer.subscribe([self._topic], **callbacks)
            while not stop.is_set():
                self.turn()
            self._checkpoint.commit(self.tasks, stop)
        except Unanswered as unanswered:
            self._failed = True
            _log.warning("stopped_unanswered", reason=str(unanswered))
        except BaseException:
            self._failed = True
            raise
        finally:
            self._consumer.close()

    def turn(self) -> None:
        """Go through the seven steps once."""
        self._poll()
        self._partition_count_guard.check()
        batch = self._builder.build()
        if self._checkpoint.pending:
            self._lapses_wait = False  # there is nothing to do until the broker takes what it did not
            self._batch_processor.rewind(batch, self.tasks)
        else:
            self._batch_processor.process(batch, self.tasks)
            self._advance_watermarks()
        if self._checkpoint.due or (not self._checkpoint.pending and self._is_much_uncommitted()):
            self._checkpoint.commit(self.tasks, self._stop)
        self._assignment.log_refused()
        if not self.tasks:
            self._on_idle()
        self._report()

    def _is_much_uncommitted(self) -> bool:
        return sum(task.uncommitted_reminders for task in self.tasks.values()) >= _MAX_UNCOMMITTED_REMINDERS

    def _poll(self) -> None:
        """Step 1: collect records until there are enough or the time is over."""
        self._builder = builder = BatchBuilder(reads_headers=self._batch_processor.reads_headers)
        remaining_ms = self._poll_timeout_ms()
        deadline = self._clock.monotonic() + remaining_ms
        while builder.count < self._fetch.enough and remaining_ms > 0:
            before = builder.count
            failed = self._fetch.read(builder, (_AT_ONCE_MS if self._lapses_wait else remaining_ms) / SECOND)
            self._raise_callback_failure()
            for message in failed:
                self._handle_error(message)
            remaining_ms = deadline - self._clock.monotonic()
            if self._lapses_wait and builder.count == before:
                break  # there is something else to do than to wait for records
        if builder.count:
            self._error_log.report_answer()

    def _poll_timeout_ms(self) -> Millis:
        """Return how long to poll: not past the next commit, and briefly while lapses wait for their turn."""
        if self._lapses_wait:
            return _SHORT_POLL_TIMEOUT_MS
        remaining_ms = self._checkpoint.remaining_ms
        if remaining_ms > _SHORT_POLL_TIMEOUT_MS:
            remaining_ms -= _SHORT_POLL_TIMEOUT_MS
        return max(1, min(_POLL_TIMEOUT_MS, remaining_ms))

    def _handle_error(self, message: Message) -> None:
        error, partition = message.error(), message.partition()
        if error.code() == KafkaError._PARTITION_EOF:
            if partition in self.tasks:
                self._builder.end_positions[partition] = message.offset()
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            if partition in self.tasks:
                reason = lost_records(self._topic, partition, self.tasks[partition].position)
                self._assignment.refuse(self._consumer, TopicPartition(self._topic, partition), reason)
        elif is_fenced(error):
            raise Fenced(
                "another process has started under the same name: give each its own kafka.instance. Or the broker was"
                " away and has lost sight of this one: a restart goes on from the last commit"
            )
        elif error.code() in UNAUTHORIZED:
            raise consumer_refusal(error, self._group, self._topic)
        elif is_fatal(error) or error.code() in GROUP_REFUSED:
            raise KafkaException(error)
        else:
            self._error_log.report(error)

    def _advance_watermarks(self) -> None:
        """Step 4: move the watermarks and collect the lapses before them."""
        requested_at, end_offsets = self._end_offset_poller.poll(self.tasks)
        now = self._clock.now()
        for partition, task in self.tasks.items():
            if partition in end_offsets:
                task.watermark.add_end_offset(requested_at, end_offsets[partition])
                task.advance_to(task.position)
        for task in self.tasks.values():
            task.find_lapses(now)
        held = self.brake_control.update(self.tasks)
        results = self._collect_lapses(now, held)
        self.brake_control.record(results)
        self._start_report.record(results.values())
        for partition, result in results.items():
            for (process, step, outcome), count in result.lapses.items():
                label = "expired_held" if partition in held and outcome == "expired" else outcome
                self._metrics.lapses.labels(process, step, label).inc(count)
                _log.debug("lapses", partition=partition, process=process, step=step, outcome=label, count=count)

    def _collect_lapses(self, now: Millis, held: Container[int]) -> dict[int, AdvanceResult]:
        """Ask for so many lapses that the turn stays short: of each partition its share, of a long queue the rest."""
        results, left = {}, _MAX_LAPSES
        by_queue = sorted(self.tasks.items(), key=lambda each: each[1].table.waiting)
        for place, (partition, task) in enumerate(by_queue):
            limit = left // (len(by_queue) - place)
            results[partition] = task.collect_lapses(now, hold=partition in held, limit=limit)
            left -= sum(map(len, results[partition].asked))
        self._lapses_wait = any(task.table.waiting for partition, task in self.tasks.items() if partition not in held)
        return results

    def _report(self) -> None:
        if self._checkpoint.pending:
            self._report_wait("the broker, to take a commit")
        else:
            problems = [*self._assignment.refused.values(), *self.brake_control.status.words]
            problems += self._start_report.words
            if waiting := self._batch_processor.waiting:
                numbers = ", ".join(map(str, sorted(waiting)))
                problems.append(f"partition {numbers} waits for a schema: {next(iter(waiting.values()))}")
            if self._end_offset_poller.held:
                problems.append(self._end_offset_poller.held)
            self._report_progress("; ".join([f"{len(self.tasks)} partitions", *problems]))

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        """Open partitions. A failure is kept for the loop: the client's callbacks must not raise."""
        try:
            self._assignment.open(consumer, assigned, self._stop)
            if self._checkpoint.pending:
                consumer.pause(assigned)
        except Exception as failure:  # noqa: BLE001 - raised again by the loop
            self._callback_failure = failure

    def _on_revoke(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        try:
            if not self._failed:
                self._checkpoint.commit(self.tasks, self._stop)
        except Exception as failure:  # noqa: BLE001 - raised again by the loop
            self._callback_failure, self._failed = failure, True
        self._release(consumer, revoked, "partition_revoked")

    def _on_lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        self._release(consumer, lost, "partition_lost")

    def _release(self, consumer: Consumer, topic_partitions: list[TopicPartition], event: str) -> None:
        self._builder.drop([topic_partition.partition for topic_partition in topic_partitions])
        self._assignment.release(consumer, topic_partitions, event)
        self._checkpoint.drop_lost_partitions(self.tasks)

    def _raise_callback_failure(self) -> None:
        if self._callback_failure is not None:
            failure, self._callback_failure = self._callback_failure, None
            raise failure
