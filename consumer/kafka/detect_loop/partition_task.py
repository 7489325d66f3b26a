"""One assigned input partition: its table, its watermark, and the outputs that wait to be written."""

from collections.abc import Callable

from consumer.clock import Millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.brake import ReadabilityMonitor
from consumer.detect.table import AdvanceResult
from consumer.detect.watermark import Watermark
from consumer.kafka.changelog.restore import Start
from consumer.kafka.clients.transaction import Output
from consumer.records import Reminder, ReminderKind

WATERMARK_INTERVAL_MS: Millis = 5_000
"""How often each partition's watermark is written for deliver (design §4 asks for 10 s)."""


class PartitionTask:
    """Steps 3 to 5 of the loop for one partition. Nothing in here talks to Kafka."""

    def __init__(
        self,
        number: int,
        start: Start,
        *,
        encode: Callable[[Reminder], bytes],
        reminders_topic: str,
        state_topic: str,
        max_bad_share: float = 1.0,
    ) -> None:
        """`max_bad_share` is the share of unreadable records above which the partition's silence means nothing."""
        self.number = number
        self.position = start.offset
        self.watermark = Watermark(start.watermark)
        self.table = start.table
        self.readability = ReadabilityMonitor(max_bad_share, lost=start.brake_state.distrusted)
        self.brake_state = self._committed_brake_state = self._committing_brake_state = start.brake_state
        """To be stored with the state."""
        self._writer = start.writer
        self._encode = encode
        self._reminders_topic = reminders_topic
        self._state_topic = state_topic
        self._committed_position = None if start.first else start.offset
        self._collected_at: Millis | None = None
        self.held = 0
        """Lapses held back, as of the last `collect_lapses`."""
        self._written_watermark: Millis | None = None
        self.outputs: list[Output] = []
        self.unpublished: list[Reminder] = []
        """The reminders among `outputs`, for the metrics once they are committed."""

    def apply(self, activities: ActivityBatch, now: Millis) -> None:
        """Step 3: apply a batch."""
        self._add_reminders(self.table.apply(activities, now))

    def read_to(self, position: int) -> None:
        """Note that everything before `position` has been read and applied."""
        self.position = max(self.position, position)
        if not self.readability.distrusted:  # records that cannot be read are not silence
            self.watermark.advance_to(self.position)

    def count_due(self) -> int:
        """Return how many lapses the next `collect_lapses` would ask for."""
        return 0 if self.watermark.value is None else self.table.count_due(self.watermark.value)

    def collect_lapses(self, now: Millis, *, hold: bool = False) -> AdvanceResult:
        """Step 4: collect lapses if the watermark has moved. With `hold` nothing is asked for: it stays due."""
        clock = self.watermark.value
        if clock is None or clock == self._collected_at:
            return AdvanceResult()
        self._collected_at = clock
        result = self.table.advance_to(clock, now, hold=hold)
        self.held = result.held
        self._add_reminders(result.asked)
        return result

    def has_outputs(self) -> bool:
        """Return whether the next commit has to write anything of this partition."""
        return bool(self.outputs) or self._has_changed() or self._watermark_is_due()

    def build_outputs(self, now: Millis) -> list[Output]:
        """Step 5: return everything to write, the watermark and the state last."""
        if self._watermark_is_due() and self.watermark.value is not None:
            self._add_reminders(
                [Reminder(kind=ReminderKind.WATERMARK, occurred_at=self.watermark.value, detected_at=now)]
            )
            self._written_watermark = self.watermark.value
        if self._has_changed() or self.table.store.dirty[: self.table.store.used].any():
            self._committing_brake_state = self.brake_state
            for message in self._writer.build_segments(
                self.table, self.position, self.watermark.value, self.brake_state
            ):
                self.outputs.append(Output(self._state_topic, self.number, message.key, message.value, message.headers))
        return self.outputs

    def mark_committed(self) -> list[Reminder]:
        """Step 7 succeeded: drop what was written, and return its reminders."""
        published, self.unpublished = self.unpublished, []
        self.outputs = []
        self._committed_position = self.position
        self._committed_brake_state = self._committing_brake_state
        return published

    def _has_changed(self) -> bool:
        """Return whether its position or brake state differs from what was committed last."""
        return self.position != self._committed_position or self.brake_state != self._committed_brake_state

    def _watermark_is_due(self) -> bool:
        clock = self.watermark.value
        return clock is not None and (
            self._written_watermark is None or clock - self._written_watermark >= WATERMARK_INTERVAL_MS
        )

    def _add_reminders(self, reminders: list[Reminder]) -> None:
        for reminder in reminders:
            key = None if reminder.user_id is None else reminder.user_id.encode()
            self.outputs.append(Output(self._reminders_topic, self.number, key, self._encode(reminder)))
        self.unpublished += [reminder for reminder in reminders if reminder.kind is not ReminderKind.WATERMARK]
