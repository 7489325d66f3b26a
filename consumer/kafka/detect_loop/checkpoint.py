"""Steps 5 to 7 of detect's loop, and what follows an abort."""

import threading
from collections.abc import Mapping

import structlog
from confluent_kafka import Consumer, TopicPartition

from consumer.clock import SECOND, Clock, Millis
from consumer.kafka.clients.transaction import Aborted, Fenced, Transactions
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics

_FIRST_PAUSE: Millis = SECOND // 5  # before an aborted commit is tried again; twice as long each time
_LONGEST_PAUSE: Millis = 5 * SECOND
_log = structlog.get_logger()


class Checkpoint:
    """One transaction after the other, for whatever partitions are ours at the time."""

    def __init__(
        self,
        consumer: Consumer,
        transactions: Transactions,
        *,
        topic: str,
        every: Millis,
        clock: Clock,
        metrics: DetectMetrics,
    ) -> None:
        self._consumer = consumer
        self._transactions = transactions
        self._topic = topic
        self._every = every
        self._clock = clock
        self._metrics = metrics
        self._next: Millis = 0  # on the steady clock
        self._pause = _FIRST_PAUSE
        self._aborted: list[PartitionTask] = []

    @property
    def pending(self) -> bool:
        """Outputs wait to be written once more. Until they are, nothing may be read: they would grow with every try."""
        return bool(self._aborted)

    @property
    def left(self) -> Millis:
        """Until the next commit; none or less when it is due."""
        return self._next - self._clock.monotonic()

    @property
    def due(self) -> bool:
        return self.left <= 0

    def commit(self, partitions: Mapping[int, PartitionTask], stop: threading.Event) -> None:
        """Write what these partitions have to say, or what an abort left. Raises Fenced, Unanswered, KafkaException."""
        self._next = self._clock.monotonic() + self._every
        writing = self._aborted or self._closed(partitions)
        if not writing:
            return
        outputs = [output for partition in writing for output in partition.outputs]
        offsets = [TopicPartition(self._topic, partition.number, partition.position) for partition in writing]
        try:
            with self._metrics.commit.time():
                self._transactions.commit(outputs, offsets, self._consumer, stop)
        except Aborted as aborted:
            self._hold(writing, partitions, aborted)
        except Fenced:
            self._metrics.commit_failures.labels("fenced").inc()
            raise
        else:
            for partition in writing:
                self._published(partition)
            self._go_on(partitions)

    def drop_lost_partitions(self, partitions: Mapping[int, PartitionTask]) -> None:
        """Only these are ours any more: what others had to say is for their new owners to find out."""
        kept = [p for p in self._aborted if partitions.get(p.number) is p]
        if self._aborted and not kept:
            self._go_on(partitions)
        self._aborted = kept

    def _closed(self, partitions: Mapping[int, PartitionTask]) -> list[PartitionTask]:
        news = [partition for partition in partitions.values() if partition.has_outputs()]
        now = self._clock.now()
        for partition in news:
            partition.build_outputs(now)
        return news

    def _published(self, partition: PartitionTask) -> None:
        now = self._clock.now()
        for reminder in partition.mark_committed():
            self._metrics.reminders.labels(reminder.process, reminder.step, reminder.kind).inc()
            if reminder.kind == "DUE" and reminder.lapsed_at is not None:
                self._metrics.lapse_to_reminder.observe((now - reminder.lapsed_at) / 1000)
        self._metrics.tracked_keys.labels(partition.number).set(len(partition.table))

    def _hold(self, writing: list[PartitionTask], partitions: Mapping[int, PartitionTask], aborted: Aborted) -> None:
        self._metrics.commit_failures.labels("aborted").inc()
        _log.warning("commit_aborted", error=str(aborted), again_in_ms=self._pause)
        self._aborted = writing
        self._consumer.pause(self._spots(partitions))
        self._next = self._clock.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _go_on(self, partitions: Mapping[int, PartitionTask]) -> None:
        if self._aborted:
            _log.info("commits_go_on")
            self._consumer.resume(self._spots(partitions))
            self._aborted = []
        self._pause = _FIRST_PAUSE

    def _spots(self, partitions: Mapping[int, PartitionTask]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, number) for number in partitions]
