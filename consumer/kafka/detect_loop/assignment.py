"""The partitions that are ours: opened one after the other, refused where their state does not fit, let go.

A partition whose state is refused stands still and says why, and goes on saying it; the others are worked on. It
stays assigned to this process, so that it does not wander through the group and stop every member in turn.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from math import nan

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.clock import MINUTE, SECOND, Clock, Millis
from consumer.kafka.changelog.restore import Restorer, Start, StateRefused
from consumer.kafka.clients.settings import ClientErrorLog
from consumer.kafka.clients.transaction import Unanswered
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics

_ANSWER = 10.0  # seconds for the broker to tell committed offsets; a predecessor's open transaction may delay it
_PAUSE = 0.5  # seconds between two tries
_PATIENCE: Millis = 4 * MINUTE
"""Until a broker that does not answer ends the process. The group gives a member up that does not poll for 5."""
_REMIND_EVERY: Millis = 60 * SECOND
_log = structlog.get_logger()


class Assignment:
    """One thread owns it, the consumer's."""

    def __init__(
        self,
        restorer: Restorer,
        make_partition: Callable[[int, Start], PartitionTask],
        *,
        clock: Clock,
        metrics: DetectMetrics,
        waits: Callable[[str], None],
    ) -> None:
        self._restorer = restorer
        self._make_partition = make_partition
        self._clock = clock
        self._metrics = metrics
        self._waits = waits
        self._trouble = ClientErrorLog("restore")
        self._next_reminder: Millis = 0
        self.partitions: dict[int, PartitionTask] = {}
        self.refused: dict[int, str] = {}
        """Partitions that nobody works on, and why."""

    def open(self, consumer: Consumer, spots: Sequence[TopicPartition], stop: threading.Event) -> None:
        """Restore the partitions, and have them read from where their tables end.

        Raises Unanswered once `stop` is set; KafkaException when the broker has not answered for minutes.
        """
        starts = [TopicPartition(spot.topic, spot.partition, self._open(consumer, spot, stop)) for spot in spots]
        consumer.incremental_assign(starts)
        # Said of all of them: whether a partition is paused outlives its assignment.
        consumer.pause([spot for spot in starts if spot.partition not in self.partitions])
        consumer.resume([spot for spot in starts if spot.partition in self.partitions])

    def refuse(self, consumer: Consumer, spot: TopicPartition, why: StateRefused) -> None:
        """Stop the work on a partition that is ours."""
        consumer.pause([spot])
        self._forget(spot.partition)
        self._refuse(spot.partition, why)

    def release(self, consumer: Consumer, spots: Sequence[TopicPartition], event: str) -> None:
        """Drop them; `event` goes into the log."""
        for spot in spots:
            self._forget(spot.partition)
            _log.info(event, partition=spot.partition)
        consumer.incremental_unassign(list(spots))

    def remind(self) -> None:
        """Say once a minute what stands still."""
        if self.refused and self._clock.monotonic() >= self._next_reminder:
            self._next_reminder = self._clock.monotonic() + _REMIND_EVERY
            for number, why in self.refused.items():
                _log.error("partition_refused", partition=number, reason=why)

    def _open(self, consumer: Consumer, spot: TopicPartition, stop: threading.Event) -> int:
        """The offset to read from; any where the partition is refused."""
        try:
            with self._metrics.restore.time():
                start = self._patiently(consumer, spot, stop)
        except StateRefused as why:
            self._refuse(spot.partition, why)
            return 0
        partition = self.partitions[spot.partition] = self._make_partition(spot.partition, start)
        self._metrics.watermark_delay.labels(spot.partition).set_function(partial(self._delay, partition))
        _log.info("partition_opened", partition=spot.partition, offset=start.offset, keys=len(start.table))
        return start.offset

    def _delay(self, partition: PartitionTask) -> float:
        """Seconds, whenever somebody asks: a clock that stands still is seen to."""
        delay = partition.watermark.delay(self._clock.now())
        return nan if delay is None else delay / SECOND

    def _patiently(self, consumer: Consumer, spot: TopicPartition, stop: threading.Event) -> Start:
        deadline = self._clock.monotonic() + _PATIENCE
        while True:
            try:
                start = self._restorer.open(spot.partition, _committed(consumer, spot), stop)
            except KafkaException as failure:
                if stop.is_set():
                    raise Unanswered("stopped before the broker let a partition be opened") from failure
                if self._clock.monotonic() > deadline:
                    raise
                self._trouble.report(failure.args[0])
                self._waits(f"the broker, to open partition {spot.partition}")
                stop.wait(_PAUSE)
            else:
                self._trouble.report_answer()
                return start

    def _refuse(self, number: int, why: StateRefused) -> None:
        self.refused[number] = str(why)
        self._metrics.refused_partitions.set(len(self.refused))
        self._next_reminder = 0

    def _forget(self, number: int) -> None:
        if self.partitions.pop(number, None) is not None:
            self._metrics.forget_partition(number)
        if self.refused.pop(number, None) is not None:
            self._metrics.refused_partitions.set(len(self.refused))


def _committed(consumer: Consumer, spot: TopicPartition) -> int | None:
    """The group's offset, waited for where it is about to change; None if there is none. Raises KafkaException."""
    [told] = consumer.committed([spot], timeout=_ANSWER)
    if told.error is not None:
        raise KafkaException(told.error)
    return None if told.offset < 0 else told.offset
