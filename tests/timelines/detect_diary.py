"""A diary of one partition: what happened, what was read, and what Lapse had to say to it.

Moments are written "Mon 09:00", "Tue 09:00:29.999"; the week begins on Monday, 5 January 2026, UTC. A clock tells
the story: `at` moves it, and everything that follows happens at that moment.
"""

import re
from dataclasses import replace

import polars as pl

from consumer.activity.rows import ending_of
from consumer.clock import DAY, HOUR, MINUTE, SECOND
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.detect.table import Table
from consumer.kafka.changelog.reader import ChangelogReader
from consumer.kafka.changelog.restore import Start, continue_lineage
from consumer.kafka.clients.output import Output
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.records import Reminder
from tests.detect.hearing import ENCODER, INPUT, new_writer

MONDAY = 1_767_571_200_000
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

RULES = LapseRules(
    ladders={"account-setup": (24 * HOUR, 72 * HOUR), "checkout": (2 * HOUR,)},
    allowed_lateness=30 * SECOND,
    settle=5 * MINUTE,
    clock_doubt=HOUR,
    hush=15 * MINUTE,
    expire_after=72 * HOUR,
    forget_after=30 * DAY,
)


def moment(text: str) -> int:
    """Milliseconds since the epoch of "Mon 09:00" or "Fri+1w 09:00:30.500"."""
    found = re.fullmatch(r"(\w{3})(?:\+(\d)w)? (\d\d):(\d\d)(?::(\d\d)(?:\.(\d{3}))?)?", text)
    assert found, text
    day, week, hour, minute, second, milli = found.groups()
    days = DAYS.index(day) + 7 * int(week or 0)
    return MONDAY + days * DAY + int(hour) * HOUR + int(minute) * MINUTE + int(second or 0) * SECOND + int(milli or 0)


class Diary:
    """One partition with a log of activities, a reader that may lag behind it, and a broker that may not answer."""

    def __init__(self, rules: LapseRules = RULES) -> None:
        self.rules = rules
        self.now = MONDAY
        self._log: list[dict[str, object]] = []
        self._said: list[Reminder] = []
        self._start(Start(Table(Processes(rules)), new_writer("lapse", rules.ladders), 0, None, first=True))

    def at(self, when: str) -> "Diary":
        self.now = moment(when)
        return self

    def happens(
        self,
        user: str,
        kind: str,
        process: str = "account-setup",
        *,
        action: str | None = None,
        when: str = "",
        written: str = "",
    ) -> "Diary":
        """An activity reaches the topic now; its own time and its record's timestamp may say otherwise."""
        self._log.append(
            {
                "user_id": user,
                "process": process,
                "ending": ending_of(kind),
                "action": action,
                "occurred_at": moment(when) if when else self.now,
                "written_at": moment(written) if written else self.now,
            }
        )
        return self

    def asks_for_the_end(self) -> "Diary":
        """The broker tells where the partition ends now."""
        self.partition.watermark.add_end_offset(self.now, len(self._log))
        return self

    def reads(self, count: int | None = None) -> "Diary":
        """Read so many records that were not read yet (all, unless told), then look at the clock."""
        at = self.partition.position
        batch = self._log[at:] if count is None else self._log[at : at + count]
        if batch:
            self.hears(self._frame(at, at + len(batch)))
        self.partition.advance_to(at + len(batch))
        self.partition.collect_lapses(self.now)
        self._said += [reminder for batch in self.partition.uncommitted for reminder in batch]
        self.partition.uncommitted = []
        return self

    def hears(self, activities: pl.DataFrame) -> None:
        known = self.partition.table.processes.known
        self.partition.apply(ActivityBatch.of(activities, known), self.partition.position, self.now)

    def lapses(self) -> dict[tuple[str, int, str], int]:
        """Read everything at an ordinary moment, and return what became of each lapse."""
        self.asks_for_the_end().hears(self._frame(self.partition.position))
        self.partition.advance_to(len(self._log))
        return self.partition.collect_lapses(self.now).lapses

    def _frame(self, start: int = 0, stop: int | None = None) -> pl.DataFrame:
        schema = {"action": pl.String, "occurred_at": pl.Int64, "written_at": pl.Int64, "ending": pl.UInt8}
        return pl.DataFrame(self._log[start:stop], schema_overrides=schema)

    def passes(self) -> "Diary":
        """An ordinary moment: the end is asked for, everything is read, the clock gets there."""
        return self.asks_for_the_end().reads()

    def says(self, *expected: str) -> "Diary":
        """Exactly this was said since the last time, as "DUE maria account-setup 0"."""
        said = [f"{r.kind} {r.user_id} {r.process} {r.step}" for r in self._said]
        assert said == list(expected)
        self.heard, self._said = self._said, []
        return self

    def says_nothing(self) -> "Diary":
        return self.says()

    def crashes_and_restarts(self, rules: LapseRules | None = None) -> "Diary":
        """Commit, lose everything in memory, and start again from the state topic."""
        self._commit()
        self.rules = rules or self.rules
        processes = Processes(self.rules)
        reader = ChangelogReader("lapse", processes)
        for message in self._kept:
            reader.feed(message.key, message.value, message.headers)
        restored = reader.finish()
        assert restored is not None
        topic = replace(INPUT, partitions=restored.writer.lineage.partitions)
        continue_lineage(restored.writer, processes, topic, self.now, endings_missed=False, started_at=self.now)
        restored.table.row_rules.ask_from(restored.writer.lineage.asked_from)
        self._start(
            Start(restored.table, restored.writer, restored.offset, restored.watermark, False, restored.brake_state)
        )
        return self

    def _start(self, start: Start) -> None:
        if start.first:
            self._kept: list[Output] = []
        self.partition = PartitionTask(
            0,
            start,
            encoder=ENCODER,
            reminders_topic="reminders",
            state_topic="state",
            max_bad_share=0.5,
        )

    def _commit(self) -> None:
        outputs = self.partition.build_outputs(self.now)
        self._kept += [output for output in outputs if isinstance(output, Output) and output.topic == "state"]
        self.partition.mark_committed()


def ladder(rules: LapseRules = RULES, **ladders: tuple[int, ...]) -> LapseRules:
    """The same rules with other ladders; `account_setup` stands for `account-setup`."""
    return replace(rules, ladders={name.replace("_", "-"): spans for name, spans in ladders.items()})
