"""One assigned partition of the input: its table, its watermark, and what the next checkpoint writes for it."""

from dataclasses import replace

from consumer.clock import MINUTE, SECOND, Millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.input_quality import ReadabilityMonitor, SkewMonitor
from consumer.detect.reminder_batch import ReminderBatch
from consumer.detect.storage.traces import traceparents
from consumer.detect.table import ALL_LAPSES, AdvanceResult
from consumer.detect.volume import Volume
from consumer.detect.watermark import Watermark
from consumer.kafka.changelog.restore import Start
from consumer.kafka.clients.output import Output, OutputBatch
from consumer.kafka.detect_loop.reminder_encoder import ReminderEncoder
from consumer.records import Reminder, ReminderKind
from consumer.trace_context import headers_with

WATERMARK_INTERVAL_MS: Millis = 5 * SECOND
"""Deliver is told each partition's watermark at least this often while it moves, and at once what the brake does."""


class PartitionTask:
    """Steps 3 to 5 of the loop for one partition. Nothing here talks to Kafka."""

    def __init__(
        self,
        partition: int,
        start: Start,
        *,
        encoder: ReminderEncoder,
        reminders_topic: str,
        state_topic: str,
        max_bad_share: float = 1.0,
        volume_window: Millis = MINUTE,
    ) -> None:
        """`max_bad_share` is the share of unreadable records above which silence means nothing; `volume_window` the
        span that the brake judges by."""
        self.partition = partition
        self.position = start.offset
        self.watermark = Watermark(start.watermark)
        self.table = start.table
        self.readability = ReadabilityMonitor(max_bad_share, start.brake_state.distrusted, start.brake_state.tolerated)
        self.skew = SkewMonitor(start.table.processes.rules.clock_doubt, start.brake_state.skewed)
        self.volume = Volume(volume_window, start.writer.lineage.volume)
        self.brake_state = self._built_brake_state = self._committed_brake_state = start.brake_state
        self._writer = start.writer
        self._encoder = encoder
        self._reminders_topic = reminders_topic
        self._state_topic = state_topic
        self._committed_position = None if start.first else start.offset
        self._found_until: Millis | None = None
        self._result = AdvanceResult()
        self.brake_reason: str | None = None
        """Why the brake holds lapses back; deliver is told."""
        self._announced: tuple[Millis, str | None, bool] | None = None
        """The watermark that deliver was told last, with the brake's reason, and whether it stands still."""
        self._unwritten_lapses = False
        """Whether lapses were collected since the last checkpoint. Some lead to no record, and are counted once more
        after a stop all the same, unless the state is written."""
        self.outputs: list[Output | OutputBatch] = []
        """What the next checkpoint writes."""
        self.uncommitted: list[ReminderBatch] = []
        """The reminders among `outputs`, for the metrics once they are committed."""

    def apply(self, activities: ActivityBatch, position: int, now: Millis) -> None:
        """Step 3: apply a batch that ends before `position`."""
        self._add_reminders(self.table.apply(activities, now))
        self.advance_to(position)

    def advance_to(self, position: int) -> None:
        """Note that everything before `position` has been read and applied."""
        self.position = max(self.position, position)
        if not self.readability.distrusted:  # unreadable records are not silence
            self.watermark.advance_to(self.position)

    def find_lapses(self, now: Millis) -> int:
        """Step 4: find the lapses up to the watermark. Returns how many wait to be asked for."""
        watermark = self.watermark.value
        if watermark is not None and watermark != self._found_until:
            self._found_until = watermark
            self._result += self.table.find_lapses(watermark, now)
        return self.table.waiting

    def collect_lapses(self, now: Millis, *, hold: bool = False, limit: int = ALL_LAPSES) -> AdvanceResult:
        """Ask for the oldest lapses that wait, up to `limit`; with `hold` for none."""
        if self.find_lapses(now) and not hold:
            assert self._found_until is not None
            self._result += self.table.ask_for_lapses(self._found_until, now, limit)
        result, self._result = self._result, AdvanceResult()
        self._add_reminders(result.asked)
        self._unwritten_lapses |= bool(result.lapses)
        return result

    @property
    def uncommitted_reminders(self) -> int:
        return sum(map(len, self.uncommitted))

    def has_outputs(self) -> bool:
        """Return whether the next checkpoint has anything to write for this partition."""
        changed = self._unwritten_lapses or self._differs_from_committed()
        return bool(self.outputs) or changed or self._watermark_is_due()

    def build_outputs(self, now: Millis) -> list[Output | OutputBatch]:
        """Step 5: return everything to write, the watermark and the changelog segments last."""
        if self._watermark_is_due() and self.watermark.value is not None:
            watermark = self.watermark.value
            record = Reminder(
                kind=ReminderKind.WATERMARK,
                occurred_at=watermark,
                detected_at=now,
                watched=len(self.table),
                held=self.table.waiting if self.brake_reason else 0,
                brake=self.brake_reason,
                distrusted=self.readability.distrusted,
            )
            self.outputs.append(Output(self._reminders_topic, self.partition, None, self._encoder.encode(record)))
            self._announced = watermark, self.brake_reason, self.readability.distrusted
        if self._differs_from_committed() or self.table.store.dirty[: self.table.store.used].any():
            self._built_brake_state = self.brake_state
            self._writer.lineage = replace(self._writer.lineage, volume=self.volume.store())
            for segment in self._writer.build_segments(
                self.table, self.position, self.watermark.value, self.brake_state
            ):
                self.outputs.append(
                    Output(self._state_topic, self.partition, segment.key, segment.value, segment.headers)
                )
        return self.outputs

    def mark_committed(self) -> list[ReminderBatch]:
        """Step 7 succeeded: forget the outputs, and return the reminders that were among them."""
        committed, self.uncommitted = self.uncommitted, []
        self.outputs = []
        self._unwritten_lapses = False
        self._committed_position = self.position
        self._committed_brake_state = self._built_brake_state
        return committed

    def _differs_from_committed(self) -> bool:
        return self.position != self._committed_position or self.brake_state != self._committed_brake_state

    def _watermark_is_due(self) -> bool:
        watermark, announced = self.watermark.value, self._announced
        if watermark is None or announced is None:
            return watermark is not None
        changed = announced[1:] != (self.brake_reason, self.readability.distrusted)
        return changed or watermark - announced[0] >= WATERMARK_INTERVAL_MS

    def _add_reminders(self, batches: list[ReminderBatch]) -> None:
        for batch in batches:
            if len(batch):
                keys, values = self._encoder.encode_batch(batch)
                if batch.traces is None:
                    self.outputs.append(OutputBatch(self._reminders_topic, self.partition, keys, values))
                else:
                    headers = map(headers_with, traceparents(batch.traces))
                    each = zip(keys, values, headers, strict=True)
                    self.outputs += [Output(self._reminders_topic, self.partition, *record) for record in each]
                self.uncommitted.append(batch)
