"""Whoever may write to the state topic can copy its records, whose seals are right: it says the same, or is refused."""

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given, settings

from consumer.clock import HOUR, MINUTE
from consumer.detect.lapse_rules import Processes
from consumer.detect.snapshot import DamagedState
from consumer.detect.table import Table
from consumer.kafka.changelog import lineage
from consumer.kafka.changelog.reader import ChangelogReader, Restored
from consumer.kafka.changelog.segment_header import Seal
from consumer.kafka.changelog.writer import ChangelogRecord, ChangelogWriter
from consumer.records import Ending
from tests.detect.hearing import INPUT, RULES, hear
from tests.kafka.test_state_restores_the_table import contents

SEAL = Seal(b"a key that nobody else knows")
NOON = 1_767_571_200_000


def activity(user: str, at: int, ending: Ending = Ending.NONE) -> pl.DataFrame:
    row = {"user_id": user, "process": "checkout", "ending": int(ending), "action": None, "occurred_at": at}
    schema = {"ending": pl.UInt8, "action": pl.String}
    return pl.DataFrame([row | {"written_at": at}], schema_overrides=schema)


class Topic:
    """A table, and the records of its commits."""

    def __init__(self, begun_at: int | None = NOON) -> None:
        begun = lineage.create(INPUT, RULES.ladders, begun_at=begun_at)
        self.table, self.writer = Table(Processes(RULES)), ChangelogWriter("lapse", begun, SEAL)
        self.log: list[ChangelogRecord] = []
        self.commits: list[list[ChangelogRecord]] = []

    def hears(self, user: str, at: int, ending: Ending = Ending.NONE) -> "Topic":
        hear(self.table, activity(user, at, ending), at)
        self.commits.append(self.writer.build_segments(self.table, len(self.commits) + 1, at))
        self.log += self.commits[-1]
        return self


def read(log: list[ChangelogRecord]) -> Restored:
    reader = ChangelogReader("lapse", Processes(RULES), SEAL)
    for record in log:
        reader.feed(record.key, record.value, record.headers)
    restored = reader.finish()
    assert restored is not None
    return restored


def paid() -> Topic:
    topic = Topic().hears("ana", NOON).hears("ana", NOON + 10 * MINUTE, Ending.COMPLETED)
    return topic.hears("eve", NOON + 11 * MINUTE)


def asked(restored: Restored) -> list[str | None]:
    return [reminder.user_id for reminder in restored.table.advance_to(NOON + 2 * HOUR, NOON + 2 * HOUR).reminders()]


def test_who_has_paid_is_not_written_to_over_a_copy_of_when_they_had_not() -> None:
    assert asked(read(paid().log)) == ["eve"]
    for copied in paid().commits[0]:
        with pytest.raises(
            DamagedState, match="its sequence is 1 and comes behind 3: somebody copied an earlier record"
        ):
            read([*paid().log, copied])


def test_a_copy_of_the_last_commit_says_the_same() -> None:
    topic = paid()
    for copied in topic.commits[-1]:
        if copied.value is not None:
            assert contents(read([*topic.log, copied]).table) == contents(topic.table)


def test_a_copy_from_before_a_rebuild_is_of_another_state() -> None:
    former, topic = paid().hears("ana", NOON + 20 * MINUTE), Topic(begun_at=NOON + HOUR).hears("ana", NOON)
    for copied in (record for record in former.log if record.value is not None):
        with pytest.raises(DamagedState, match=r"from before a rebuild"):
            read([*topic.log, copied])


def test_a_commit_of_the_same_sequence_is_written_once() -> None:
    """Without the time of its beginning (of an earlier version) the rest of its header tells."""
    topic, other = Topic(None).hears("ana", NOON), Topic(None).hears("bob", NOON + 1)
    with pytest.raises(DamagedState, match="its sequence is 1 and comes behind 1"):
        read([*topic.log, other.log[0]])


def test_a_state_of_an_earlier_version_is_continued() -> None:
    topic = Topic(None).hears("ana", NOON)
    topic.writer.lineage = replace(topic.writer.lineage, begun_at=NOON)
    assert asked(read(topic.hears("bob", NOON).log)) == ["ana", "bob"]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_wherever_copies_and_compaction_fall(data: st.DataObject) -> None:
    turns: Any = st.tuples(st.sampled_from(["ana", "bob", "eve"]), st.sampled_from(Ending))
    topic = Topic()
    for minute, (user, ending) in enumerate(data.draw(st.lists(turns, min_size=2, max_size=7))):
        topic.hears(user, NOON + minute * MINUTE, ending)
    log = list(topic.log)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(1, len(log)))
        log.insert(place, data.draw(st.sampled_from(log[:place])))
    last = {record.key: place for place, record in enumerate(log)}
    kept = [r for place, r in enumerate(log) if last[r.key] == place or data.draw(st.booleans())]
    try:
        restored = read(kept)
    except DamagedState:
        return
    assert contents(restored.table) == contents(topic.table)
