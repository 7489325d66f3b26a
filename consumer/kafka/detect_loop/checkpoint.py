"""Steps 5 to 7 of detect's loop: outputs, state and input offsets in one transaction, repeated after an abort."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import islice, repeat

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.clock import SECOND, Clock, Millis
from consumer.detect.reminder_batch import ReminderBatch
from consumer.detect.storage.traces import traceparents
from consumer.kafka.clients.transactional_producer import (
    TRANSACTION_ANSWER,
    Aborted,
    Fenced,
    TransactionalProducer,
    until_stopped,
)
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics
from consumer.records import ReminderKind
from consumer.spans import SpanRecorder, TraceSpan

_MIN_BACKOFF_MS: Millis = SECOND // 5
_MAX_BACKOFF_MS: Millis = 5 * SECOND
_MOST_SPANS = 500
"""Of a batch: tracing must not hold up detect when thousands lapse at once."""
_log = structlog.get_logger()


class Checkpoint:
    """One transaction at a time, for all partitions that are ours at that moment."""

    def __init__(
        self,
        consumer: Consumer,
        producer: TransactionalProducer,
        *,
        topic: str,
        interval_ms: Millis,
        report_wait: Callable[[str], None],
        waiting: Callable[[str], AbstractContextManager[None]],
        clock: Clock,
        metrics: DetectMetrics,
        record_span: SpanRecorder | None = None,
    ) -> None:
        """`report_wait` is told what we wait for whenever a call has timed out, and `waiting` before: there are calls
        that do not return in time. `record_span` traces lapses."""
        self._consumer = consumer
        self._producer = producer
        self._topic = topic
        self._interval_ms = interval_ms
        self._report_wait = report_wait
        self._waiting = waiting
        self._clock = clock
        self._metrics = metrics
        self._record_span = record_span
        self._next_commit: Millis = 0  # monotonic
        self._backoff_ms = _MIN_BACKOFF_MS
        self._aborted: list[PartitionTask] = []

    @property
    def pending(self) -> bool:
        """Whether outputs of an abort wait to be written. Until they are, nothing may be read, or they would grow."""
        return bool(self._aborted)

    @property
    def remaining_ms(self) -> Millis:
        """The time until the next commit; zero or less when it is due."""
        return self._next_commit - self._clock.monotonic()

    @property
    def due(self) -> bool:
        return self.remaining_ms <= 0

    def take_over(self, stop: threading.Event) -> None:
        """Fence an older process of the same name and abort its transaction. Raises Fenced, Unanswered,
        KafkaException."""
        self._producer.take_over(until_stopped(stop, self._report_wait))

    def commit(self, tasks: Mapping[int, PartitionTask], stop: threading.Event) -> None:
        """Write what these tasks have to write, or what an abort has left. Raises Fenced, Unanswered,
        KafkaException."""
        self._next_commit = self._clock.monotonic() + self._interval_ms
        writing = self._aborted or [task for task in tasks.values() if task.has_outputs()]
        if not writing:
            return
        if not self._aborted:
            now = self._clock.now()
            for task in writing:
                task.build_outputs(now)
        try:
            with self._metrics.commit.time(), self._waiting(TRANSACTION_ANSWER):
                self._producer.write(
                    [output for task in writing for output in task.outputs],
                    offsets=[TopicPartition(self._topic, task.partition, task.position) for task in writing],
                    consumer=self._consumer,
                    on_timeout=until_stopped(stop, self._report_wait),
                )
        except Aborted as aborted:
            if not aborted.repeatable:
                raise KafkaException(aborted.error) from aborted
            self._hold(writing, tasks, aborted)
        except Fenced:
            self._metrics.commit_failures.labels("fenced").inc()
            raise
        else:
            for task in writing:
                self._count_committed(task)
            self._release(tasks)

    def drop_lost_partitions(self, tasks: Mapping[int, PartitionTask]) -> None:
        """Keep outputs of an abort only for these tasks: of the others the new owners take care."""
        kept = [task for task in self._aborted if tasks.get(task.partition) is task]
        if self._aborted and not kept:
            self._release(tasks)
        self._aborted = kept

    def _count_committed(self, task: PartitionTask) -> None:
        now = self._clock.now()
        for batch in task.mark_committed():
            for step, count in zip(*np.unique(batch.steps, return_counts=True), strict=True):
                self._metrics.reminders.labels(batch.process, step, batch.kind).inc(int(count))
            if batch.kind is ReminderKind.DUE:
                waits = now - batch.last_seen - batch.remind_after
                self._metrics.lapse_to_reminder.observe_all(waits / SECOND)
                if self._record_span is not None:
                    for span in islice(_spans_of(batch, now), _MOST_SPANS):
                        self._record_span(span)
        self._metrics.tracked_keys.labels(task.partition).set(len(task.table))

    def _hold(self, writing: list[PartitionTask], tasks: Mapping[int, PartitionTask], aborted: Aborted) -> None:
        """Read nothing until these outputs are written, which is tried again after the backoff."""
        self._metrics.commit_failures.labels("aborted").inc()
        _log.warning("commit_aborted", error=str(aborted), again_in_ms=self._backoff_ms)
        self._aborted = writing
        self._consumer.pause(self._topic_partitions(tasks))
        self._next_commit = self._clock.monotonic() + self._backoff_ms
        self._backoff_ms = min(2 * self._backoff_ms, _MAX_BACKOFF_MS)

    def _release(self, tasks: Mapping[int, PartitionTask]) -> None:
        if self._aborted:
            _log.info("commits_resumed")
            self._consumer.resume(self._topic_partitions(tasks))
            self._aborted = []
        self._backoff_ms = _MIN_BACKOFF_MS

    def _topic_partitions(self, tasks: Mapping[int, PartitionTask]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in tasks]


def _spans_of(batch: ReminderBatch, committed_at: Millis) -> Iterator[TraceSpan]:
    """Yield a span for each reminder, from its lapse until it was asked for."""
    traces = repeat(None, len(batch)) if batch.traces is None else traceparents(batch.traces)
    for reminder, traceparent in zip(batch, traces, strict=True):
        attributes = {"reminder_id": reminder.reminder_id, "process": reminder.process, "step": reminder.step}
        start = reminder.lapsed_at or reminder.occurred_at
        yield TraceSpan(name="lapse", traceparent=traceparent, start=start, end=committed_at, attributes=attributes)
