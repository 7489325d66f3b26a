"""One assigned input partition: its table, its clock, and what waits to be written."""

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
"""Deliver hears each partition's clock at least this often (design §4 asks for 10 s)."""


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
        most_bad: float = 1.0,
    ) -> None:
        """`most_bad` is the share of records that may be unreadable before its silence means nothing."""
        self.number = number
        self.position = start.offset
        self.watermark = Watermark(start.watermark)
        self.table = start.table
        self.readability = ReadabilityMonitor(most_bad, lost=start.brake_state.distrusted)
        self.brake_state = self._written = self._closing = start.brake_state
        """To be remembered with the state."""
        self._writer = start.writer
        self._encode = encode
        self._reminders_topic = reminders_topic
        self._state_topic = state_topic
        self._committed_position = None if start.first else start.offset
        self._noticed_at: Millis | None = None
        self.held = 0
        """Lapses that wait, as of the last look."""
        self._told_clock: Millis | None = None
        self.outputs: list[Output] = []
        self.unpublished: list[Reminder] = []
        """The reminders among `outputs`, for the metrics once they are committed."""

    def apply(self, activities: ActivityBatch, now: Millis) -> None:
        """Step 3: apply a batch."""
        self._say(self.table.apply(activities, now))

    def read_to(self, position: int) -> None:
        """Everything before `position` has been read and applied."""
        self.position = max(self.position, position)
        if not self.readability.distrusted:  # records that cannot be read are not silence
            self.watermark.advance_to(self.position)

    def count_due(self) -> int:
        """How many lapses the next `collect_lapses` would ask for."""
        return 0 if self.watermark.value is None else self.table.count_due(self.watermark.value)

    def collect_lapses(self, now: Millis, *, hold: bool = False) -> AdvanceResult:
        """Step 4: look at the rows if the clock has moved. With `hold` nothing is asked for: it stays due."""
        clock = self.watermark.value
        if clock is None or clock == self._noticed_at:
            return AdvanceResult()
        self._noticed_at = clock
        noticed = self.table.advance_to(clock, now, hold=hold)
        self.held = noticed.held
        self._say(noticed.asked)
        return noticed

    def has_outputs(self) -> bool:
        """Whether the next commit has anything of this partition to write."""
        return bool(self.outputs) or self._is_elsewhere() or self._clock_is_due()

    def build_outputs(self, now: Millis) -> list[Output]:
        """Step 5: everything to write, the state and the clock last."""
        if self._clock_is_due() and self.watermark.value is not None:
            self._say([Reminder(kind=ReminderKind.WATERMARK, occurred_at=self.watermark.value, detected_at=now)])
            self._told_clock = self.watermark.value
        if self._is_elsewhere() or self.table.store.dirty[: self.table.store.used].any():
            self._closing = self.brake_state
            for message in self._writer.build_segments(
                self.table, self.position, self.watermark.value, self.brake_state
            ):
                self.outputs.append(Output(self._state_topic, self.number, message.key, message.value, message.headers))
        return self.outputs

    def mark_committed(self) -> list[Reminder]:
        """Step 7 succeeded: forget what was written, and return its reminders."""
        published, self.unpublished = self.unpublished, []
        self.outputs = []
        self._committed_position = self.position
        self._written = self._closing
        return published

    def _is_elsewhere(self) -> bool:
        """Whether it stands elsewhere, or is judged otherwise, than what was committed last says."""
        return self.position != self._committed_position or self.brake_state != self._written

    def _clock_is_due(self) -> bool:
        clock = self.watermark.value
        return clock is not None and (self._told_clock is None or clock - self._told_clock >= WATERMARK_INTERVAL_MS)

    def _say(self, reminders: list[Reminder]) -> None:
        for reminder in reminders:
            key = None if reminder.user_id is None else reminder.user_id.encode()
            self.outputs.append(Output(self._reminders_topic, self.number, key, self._encode(reminder)))
        self.unpublished += [reminder for reminder in reminders if reminder.kind is not ReminderKind.WATERMARK]
