"""The partitions that the group has assigned to us: opened, refused where their state does not fit, released.

A partition whose state is refused is not read; the others go on. It stays assigned to this process: otherwise it
would go from member to member and stop each of them.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.clock import MINUTE, SECOND, Clock, Millis
from consumer.kafka.changelog.restore import Restorer, Start, StateRefused
from consumer.kafka.clients.client_error_log import ClientErrorLog
from consumer.kafka.clients.transactional_producer import Unanswered
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics

_REQUEST_TIMEOUT_S = 10.0  # a predecessor's open transaction may delay the committed offsets
_RETRY_PAUSE_S = 0.5
_OPEN_TIMEOUT_MS: Millis = 4 * MINUTE  # less than max.poll.interval.ms (5 min), after which the group expels us
_REMINDER_INTERVAL_MS: Millis = MINUTE
_log = structlog.get_logger()


class Assignment:
    """Owned by the consumer's thread."""

    def __init__(
        self,
        restorer: Restorer,
        make_task: Callable[[int, Start], PartitionTask],
        *,
        clock: Clock,
        metrics: DetectMetrics,
        report_wait: Callable[[str], None],
    ) -> None:
        """`report_wait` is told what we wait for."""
        self._restorer = restorer
        self._make_task = make_task
        self._clock = clock
        self._metrics = metrics
        self._report_wait = report_wait
        self._error_log = ClientErrorLog("restore")
        self._next_reminder: Millis = 0  # monotonic
        self.tasks: dict[int, PartitionTask] = {}
        """By partition, those that are worked on."""
        self.refused: dict[int, str] = {}
        """By partition, why nobody works on it."""

    def open(self, consumer: Consumer, assigned: Sequence[TopicPartition], stop: threading.Event) -> None:
        """Restore these partitions and read them on from where their tables end.

        Raises Unanswered once `stop` is set; KafkaException when the broker has not answered for minutes.
        """
        positions = [TopicPartition(each.topic, each.partition, self._open(consumer, each, stop)) for each in assigned]
        consumer.incremental_assign(positions)
        # For all of them, since a partition that was paused stays so when it is assigned again.
        consumer.pause([position for position in positions if position.partition not in self.tasks])
        consumer.resume([position for position in positions if position.partition in self.tasks])

    def refuse(self, consumer: Consumer, topic_partition: TopicPartition, reason: StateRefused) -> None:
        """Stop the work on a partition that stays assigned to us."""
        consumer.pause([topic_partition])
        self._forget(topic_partition.partition)
        self._refuse(topic_partition.partition, reason)

    def release(self, consumer: Consumer, topic_partitions: Sequence[TopicPartition], event: str) -> None:
        """Drop these partitions; `event` goes into the log."""
        for topic_partition in topic_partitions:
            self._forget(topic_partition.partition)
            _log.info(event, partition=topic_partition.partition)
        consumer.incremental_unassign(list(topic_partitions))

    def log_refused(self) -> None:
        """Log once a minute which partitions are refused."""
        if self.refused and self._clock.monotonic() >= self._next_reminder:
            self._next_reminder = self._clock.monotonic() + _REMINDER_INTERVAL_MS
            for partition, reason in self.refused.items():
                _log.error("partition_refused", partition=partition, reason=reason)

    def _open(self, consumer: Consumer, topic_partition: TopicPartition, stop: threading.Event) -> int:
        """Return the offset to read from; 0 where the partition is refused."""
        partition = topic_partition.partition
        try:
            with self._metrics.restore.time():
                start = self._restore(consumer, topic_partition, stop)
        except StateRefused as reason:
            self._refuse(partition, reason)
            return 0
        task = self.tasks[partition] = self._make_task(partition, start)
        self._metrics.watermark_delay.labels(partition).set_function(
            partial(self._delay_s, task, self._clock.monotonic())
        )
        _log.info("partition_opened", partition=partition, offset=start.offset, keys=len(start.table))
        return start.offset

    def _delay_s(self, task: PartitionTask, opened_at: Millis) -> float:
        """Return how far the watermark is behind now. Computed at each scrape, so that one that stands still is seen.

        Until there is a watermark it is the time since the partition was opened, so that an alert can fire.
        """
        delay = task.watermark.delay(self._clock.now())
        return (self._clock.monotonic() - opened_at if delay is None else delay) / SECOND

    def _restore(self, consumer: Consumer, topic_partition: TopicPartition, stop: threading.Event) -> Start:
        """Try until the broker answers."""
        deadline = self._clock.monotonic() + _OPEN_TIMEOUT_MS
        while True:
            try:
                committed = _committed_offset(consumer, topic_partition)
                start = self._restorer.open(topic_partition.partition, committed, stop)
            except KafkaException as failure:
                if stop.is_set():
                    raise Unanswered("stopped before the broker let a partition be opened") from failure
                if self._clock.monotonic() > deadline:
                    raise
                self._error_log.report(failure.args[0])
                self._report_wait(f"the broker, to open partition {topic_partition.partition}")
                stop.wait(_RETRY_PAUSE_S)
            else:
                self._error_log.report_answer()
                return start

    def _refuse(self, partition: int, reason: StateRefused) -> None:
        self.refused[partition] = str(reason)
        self._metrics.refused_partitions.set(len(self.refused))
        self._next_reminder = 0

    def _forget(self, partition: int) -> None:
        if self.tasks.pop(partition, None) is not None:
            self._metrics.forget_partition(partition)
        if self.refused.pop(partition, None) is not None:
            self._metrics.refused_partitions.set(len(self.refused))


def _committed_offset(consumer: Consumer, topic_partition: TopicPartition) -> int | None:
    """Return the group's offset, once it does not change any more; None if there is none. Raises KafkaException."""
    [committed] = consumer.committed([topic_partition], timeout=_REQUEST_TIMEOUT_S)
    if committed.error is not None:
        raise KafkaException(committed.error)
    return None if committed.offset < 0 else committed.offset
