"""Steps 2 and 3 of detect's loop: bytes become columns or dead letters, and each partition hears its own."""

from collections.abc import Mapping, Sequence

import numpy as np
import structlog
from confluent_kafka import Consumer, TopicPartition

from consumer.activity.decoder import ActivityDecoder, BadValue, Decoded
from consumer.activity.errors import BadRecord, RegistryUnavailable
from consumer.clock import SECOND, Clock, Millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.kafka.dead_letters.records import RejectedRecord, dead_letter
from consumer.kafka.detect_loop.batch_builder import RecordBatch, Records
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics

_REGISTRY_PAUSE: Millis = SECOND
_log = structlog.get_logger()


class BatchProcessor:
    """On the loop's thread."""

    def __init__(
        self,
        consumer: Consumer,
        decoder: ActivityDecoder,
        *,
        topic: str,
        dead_letters: str,
        brake_control: BrakeControl,
        clock: Clock,
        metrics: DetectMetrics,
    ) -> None:
        self._consumer = consumer
        self._decoder = decoder
        self._topic = topic
        self._dead_letters = dead_letters
        self._brake_control = brake_control
        self._clock = clock
        self._metrics = metrics
        self.postponed: list[TopicPartition] = []
        """Those that wait for the schema registry, until `_postponed_to` on the steady clock."""
        self._postponed_to: Millis = 0

    def process(self, poll: RecordBatch, ends: Mapping[int, int], partitions: Mapping[int, PartitionTask]) -> None:
        """A poll's records, and positions at which a partition's end was reached.

        A registry that does not answer makes no record a bad one: it is read again later.
        """
        self._resume(partitions)
        poll = poll.news({number: partition.position for number, partition in partitions.items()})
        left: list[int] = []
        try:
            self._apply(poll, partitions)
        except RegistryUnavailable:
            for number, *_ in poll.spans:  # one after the other: most may need nothing that is not known
                try:
                    self._apply(poll.only({number}), partitions)
                except RegistryUnavailable as error:
                    _log.warning("registry_unavailable", error=str(error))
                    left.append(number)
            self._postpone([partitions[number] for number in left])
        for number, position in ends.items():
            if number in partitions and number not in left:
                partitions[number].read_to(position)

    def discard(self, poll: RecordBatch, partitions: Mapping[int, PartitionTask]) -> None:
        """Nothing may be read now: have these records handed out again later. Their partitions are paused."""
        for number, *_ in poll.spans:
            if number in partitions:
                self._consumer.seek(TopicPartition(self._topic, number, partitions[number].position))

    def _apply(self, poll: RecordBatch, partitions: Mapping[int, PartitionTask]) -> None:
        """All partitions are decoded together, and each hears its own."""
        if not len(poll):
            return
        now = self._clock.now()
        offsets, timestamps, _, values = poll.records
        decoded = self._decoder.decode(values, timestamps, now)
        heard = ActivityBatch.of(decoded.frame, partitions[poll.spans[0].number].table.processes.known)
        self._brake_control.observe(timestamps)
        good = decoded.frame["index"].to_numpy()[heard.indices]
        bad = np.array([bad.index for bad in decoded.bad], np.int64)
        for number, start, stop in poll.spans:
            partition, between = partitions[number], [start, stop]
            letters = decoded.bad[slice(*np.searchsorted(bad, between))]
            self._set_aside(partition, poll.records, letters)
            self._brake_control.count_readability(partition, stop - start - len(letters), len(letters))
            partition.apply(heard.slice(*np.searchsorted(good, between).tolist()), now)
            partition.read_to(int(offsets[stop - 1]) + 1)
        self._count_events(decoded, decoded.frame.height - len(heard))

    def _set_aside(self, partition: PartitionTask, records: Records, bad: Sequence[BadValue]) -> None:
        for one in bad:
            at = one.index
            record = RejectedRecord(
                self._topic, partition.number, int(records.offsets[at]), records.keys[at], records.values[at]
            )
            letter = dead_letter(self._dead_letters, record, BadRecord(one.reason, one.error))
            partition.outputs.append(letter)
            self._metrics.dead_letters.labels(self._topic, one.reason).inc()

    def _count_events(self, decoded: Decoded, strangers: int) -> None:
        events = self._metrics.events
        events.labels("applied").inc(decoded.frame.height - strangers)
        events.labels("unknown_process").inc(strangers)
        events.labels("clamped").inc(decoded.clamped)
        events.labels("ignored").inc(decoded.ignored)

    def _postpone(self, partitions: Sequence[PartitionTask]) -> None:
        """Go back to where these tables stand, and leave them alone for a moment."""
        spots = [TopicPartition(self._topic, partition.number, partition.position) for partition in partitions]
        self._consumer.pause(spots)  # first: pausing remembers the last record handed out, and seeking undoes that
        for spot in spots:
            self._consumer.seek(spot)
        self.postponed = [*self.postponed, *spots]
        self._postponed_to = self._clock.monotonic() + _REGISTRY_PAUSE

    def _resume(self, partitions: Mapping[int, PartitionTask]) -> None:
        if self.postponed and self._clock.monotonic() >= self._postponed_to:
            self._consumer.resume([spot for spot in self.postponed if spot.partition in partitions])
            self.postponed = []
