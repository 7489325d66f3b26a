"""Steps 2 and 3 of detect's loop: decode a batch, and apply each partition's part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from consumer.activity.decoder import BadValue, Decoded, recorded_times
from consumer.activity.errors import RegistryUnavailable
from consumer.clock import Clock, Millis
from consumer.detect.storage.traces import traces_of
from consumer.kafka.dead_letters.records import RejectedRecord, dead_letter
from consumer.kafka.dead_letters.rejection_log import RejectionLog
from consumer.kafka.dead_letters.size_limit import SizeLimit
from consumer.kafka.detect_loop.batch_builder import RecordBatch, Records
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.kafka.detect_loop.decoding import Decoding
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics


class BatchProcessor:
    """Runs on the loop's thread."""

    def __init__(
        self,
        consumer: Consumer,
        decode: Decoding,
        *,
        topic: str,
        dead_letters: str,
        dead_letter_limit: SizeLimit,
        brake_control: BrakeControl,
        clock: Clock,
        metrics: DetectMetrics,
        carry_traces: bool = False,
    ) -> None:
        """`topic` is the input, `dead_letters` the topic for records that cannot be read, with its limit."""
        self._consumer = consumer
        self._decode = decode
        self._topic = topic
        self._dead_letters = dead_letters
        self._dead_letter_limit = dead_letter_limit
        self._rejection_log = RejectionLog(clock)
        self._brake_control = brake_control
        self._clock = clock
        self._metrics = metrics
        self._carry_traces = carry_traces
        self.reads_headers = decode.reads_headers or carry_traces
        """Whether batches need the records' headers."""
        self.waiting: dict[int, str] = {}
        """Why partitions wait for a schema that the registry has not told yet; until a batch of theirs was read."""
        self._paused: dict[int, Millis] = {}
        """Those that are paused, and when they are read again (monotonic)."""

    def process(self, batch: RecordBatch, tasks: Mapping[int, PartitionTask]) -> None:
        """Decode and apply a batch.

        While the schema registry does not answer, its partitions are read again later: no record becomes a dead
        letter for that.
        """
        self._resume(tasks)
        batch = batch.unread({partition: task.position for partition, task in tasks.items()})
        postponed: dict[int, RegistryUnavailable] = {}
        try:
            self._apply(batch, tasks)
        except RegistryUnavailable:
            for span in batch.spans:  # one by one: most partitions may need no schema that is still unknown
                try:
                    self._apply(batch.only({span.partition}), tasks)
                except RegistryUnavailable as error:
                    postponed[span.partition] = error
            self._postpone(postponed, tasks)
        for partition, position in batch.end_positions.items():
            if partition in tasks and partition not in postponed:
                tasks[partition].advance_to(position)
        self._rejection_log.write_due()

    def rewind(self, batch: RecordBatch, tasks: Mapping[int, PartitionTask]) -> None:
        """Have the consumer return these records again later, since nothing may be read now."""
        for span in batch.spans:
            if span.partition in tasks:
                self._consumer.seek(TopicPartition(self._topic, span.partition, tasks[span.partition].position))

    def _apply(self, batch: RecordBatch, tasks: Mapping[int, PartitionTask]) -> None:
        """Decode all partitions together, then give each task its rows."""
        if not len(batch):
            return
        partitions = [span.partition for span in batch.spans]
        # A wall clock that was set back must not set events back: the watermarks came from it.
        now = max(self._clock.now(), *(task.watermark.value or 0 for task in tasks.values()))
        known = tasks[batch.spans[0].partition].table.processes.known
        activities, all_rows, skew, decoded = self._decode(batch.records, now, known)
        good_rows = all_rows[activities.indices]
        offsets, timestamps = batch.records.offsets, batch.records.timestamps
        if self._carry_traces and (traces := traces_of(batch.records.headers)) is not None:
            activities = replace(activities, traces=traces[good_rows])
        bad_rows = np.array([bad.index for bad in decoded.bad], np.int64)
        recorded = recorded_times(timestamps, now)
        for partition, start, stop in batch.spans:
            task, bounds = tasks[partition], [start, stop]
            bad = decoded.bad[slice(*np.searchsorted(bad_rows, bounds))]
            self._add_dead_letters(task, batch.records, bad)
            rows = slice(*np.searchsorted(all_rows, bounds))
            self._brake_control.observe(task, recorded[start:stop], skew[rows], len(bad), now)
            part = activities.slice(*np.searchsorted(good_rows, bounds).tolist())
            task.apply(part, int(offsets[stop - 1]) + 1, now)
        self._count_events(decoded, len(activities), all_rows.size - len(activities))
        for partition in partitions:
            self.waiting.pop(partition, None)

    def _add_dead_letters(self, task: PartitionTask, records: Records, bad: Sequence[BadValue]) -> None:
        for value in bad:
            row = value.index
            record = RejectedRecord(
                self._topic, task.partition, int(records.offsets[row]), records.keys[row], records.values[row]
            )
            takes = self._dead_letter_limit.takes
            task.outputs.append(dead_letter(self._dead_letters, record, value.reason, value.error, takes))
            self._metrics.dead_letters.labels(self._topic, value.reason).inc()
            self._rejection_log.count(value.reason, self._topic, task.partition, record.offset)

    def _count_events(self, decoded: Decoded, applied: int, of_unknown_processes: int) -> None:
        events = self._metrics.events
        events.labels("applied").inc(applied)
        events.labels("unknown_process").inc(of_unknown_processes)
        events.labels("clamped").inc(decoded.clamped)
        events.labels("ignored").inc(decoded.ignored)
        events.labels("blank").inc(decoded.blank)
        for path, count in decoded.present.items():
            self._metrics.source_paths.labels(path, "yes").inc(count)
            self._metrics.source_paths.labels(path, "no").inc(decoded.read - count)

    def _postpone(self, errors: Mapping[int, RegistryUnavailable], tasks: Mapping[int, PartitionTask]) -> None:
        """Seek back to the positions of these partitions, and pause them until it makes sense to try again."""
        positions = [TopicPartition(self._topic, partition, tasks[partition].position) for partition in errors]
        self._consumer.pause(positions)  # first: pausing keeps the last position returned, and seeking replaces that
        for position in positions:
            self._consumer.seek(position)
        now = self._clock.monotonic()
        self._paused |= {partition: now + error.retry_after_ms for partition, error in errors.items()}
        self.waiting |= {partition: str(error) for partition, error in errors.items()}

    def _resume(self, tasks: Mapping[int, PartitionTask]) -> None:
        if not self.waiting:
            return
        now = self._clock.monotonic()
        due = [partition for partition, resume_at in self._paused.items() if now >= resume_at]
        self._consumer.resume([TopicPartition(self._topic, partition) for partition in due if partition in tasks])
        self._paused = {partition: at for partition, at in self._paused.items() if partition not in due}
        self.waiting = {partition: why for partition, why in self.waiting.items() if partition in tasks}
