"""What tests of tables share: they are given frames, and states that begin."""

from collections.abc import Mapping, Sequence

import polars as pl

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import DAY, HOUR, ManualClock, Millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import LapseRules
from consumer.detect.table import Table
from consumer.kafka.changelog import lineage
from consumer.kafka.changelog.lineage import InputTopic
from consumer.kafka.changelog.writer import ChangelogWriter
from consumer.kafka.detect_loop.reminder_encoder import ReminderEncoder
from consumer.records import Reminder

INPUT = InputTopic(name="user-activity", topic_id=None, partitions=1)
ENCODER = ReminderEncoder(RecordCodec(WriterSchemas(ManualClock())), "reminders")
RULES = LapseRules(
    ladders={"checkout": (HOUR,)},
    allowed_lateness=0,
    settle=0,
    clock_doubt=0,
    hush=0,
    expire_after=DAY,
    forget_after=30 * DAY,
)
"""A reminder an hour after the last activity, whatever the order of what is heard."""
QUICK_RULES = LapseRules(
    ladders={"signup": (10, 25, 26), "checkout": (7,)},
    allowed_lateness=3,
    settle=2,
    clock_doubt=6,
    hush=8,
    expire_after=15,
    forget_after=60,
)
"""A few milliseconds for everything, so that random histories meet every rule."""


def hear(table: Table, frame: pl.DataFrame, now: int) -> list[Reminder]:
    batches = table.apply(ActivityBatch.of(frame, table.processes.known, table.loops.hash_users), now)
    return [reminder for batch in batches for reminder in batch]


def new_writer(group: str, ladders: Mapping[str, Sequence[Millis]]) -> ChangelogWriter:
    return ChangelogWriter(group, lineage.create(INPUT, ladders))
