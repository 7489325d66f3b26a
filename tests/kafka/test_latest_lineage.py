"""What a rebuild believes of the state that it replaces: the latest that was sealed with the operator's key."""

from dataclasses import replace

import pytest

from consumer.clock import DAY, HOUR, MINUTE, Millis
from consumer.detect.lapse_rules import AskedFrom, Processes
from consumer.detect.table import Table
from consumer.kafka.changelog import lineage
from consumer.kafka.changelog.latest_lineage import LatestLineage, Remembered, choose
from consumer.kafka.changelog.lineage import Lineage
from consumer.kafka.changelog.segment_header import Seal
from consumer.kafka.changelog.writer import ChangelogRecord, ChangelogWriter
from tests.detect.hearing import INPUT, RULES

KEY, FORMER_KEY = b"the operator's key of now", b"the operator's key of before"
NOW = 1_767_571_200_000
FIRST_START = NOW - 100 * DAY
HONEST = lineage.create(INPUT, RULES.ladders, asked_from=AskedFrom(start=FIRST_START), begun_at=FIRST_START)
BAD: ChangelogRecord = ChangelogRecord(b"rubbish", b"of a stranger", [])


def written(said: Lineage, key: bytes = KEY, *, commits: int = 1, group: str = "lapse") -> list[ChangelogRecord]:
    table, writer = Table(Processes(RULES)), ChangelogWriter(group, said, Seal(key))
    return [record for offset in range(commits) for record in writer.build_segments(table, offset, NOW)]


def remembered(*partitions: list[ChangelogRecord]) -> Remembered:
    found = [LatestLineage(Seal(KEY), "lapse", NOW) for _ in partitions]
    for latest, records in zip(found, partitions, strict=True):
        for record in records:
            latest.feed(record.key, record.headers)
    return choose(found)


def since(start: Millis, begun_at: Millis | None = FIRST_START) -> Lineage:
    return replace(HONEST, asked_from=AskedFrom(start=start), begun_at=begun_at)


def test_the_latest_of_each_partition_is_remembered() -> None:
    later = replace(HONEST, grown_at=NOW - HOUR, begun_at=NOW - HOUR)
    log = [*written(HONEST, commits=3), *written(later)]
    assert remembered(log, written(HONEST), []) == Remembered((later, HONEST), "our_key")


def test_strangers_records_are_not_believed_however_many_lie_behind_ours() -> None:
    for forged in (written(since(NOW), b""), written(since(NOW), b"a stranger's key"), [BAD]):
        assert remembered([*written(HONEST), *forged * 300]) == Remembered((HONEST,), "our_key")


def test_a_segment_whose_header_was_changed_is_not_believed() -> None:
    [ours, *_], [other, *_] = written(HONEST), written(since(NOW))
    headers = [other.headers[0], *ours.headers[1:]]
    assert remembered([ours, ours._replace(headers=headers)]) == Remembered((HONEST,), "our_key")


def test_a_copy_of_an_earlier_record_does_not_count() -> None:
    """Neither of this state nor of one from before a rebuild."""
    former, log = written(since(NOW - 200 * DAY, NOW - 200 * DAY), commits=9), written(HONEST, commits=3)
    grown = replace(HONEST, grown_at=NOW - DAY)
    writer = ChangelogWriter("lapse", grown, Seal(KEY))
    writer.sequence = 3
    log += writer.build_segments(Table(Processes(RULES)), 3, NOW)
    assert remembered([*log, log[0], *former]) == Remembered((grown,), "our_key")


def test_of_an_earlier_versions_states_the_last_in_the_log_counts() -> None:
    log = [*written(since(1, None), commits=9), *written(since(2, None))]
    assert remembered(log) == Remembered((since(2, None),), "our_key")


@pytest.mark.parametrize(
    "wrong",
    [
        since(1 << 53),
        since(NOW + MINUTE + 1),
        replace(HONEST, grown_at=1 << 53),
        replace(HONEST, begun_at=1 << 53),
        replace(HONEST, asked_from=AskedFrom(start=FIRST_START, rungs={"checkout": {HOUR: NOW + DAY}})),
    ],
)
def test_what_was_after_now_is_not_believed(wrong: Lineage) -> None:
    assert remembered([*written(HONEST), *written(wrong, commits=2)]) == Remembered((HONEST,), "our_key")


def test_another_computers_clock_may_be_a_little_ahead() -> None:
    assert remembered(written(since(NOW + MINUTE))) == Remembered((since(NOW + MINUTE),), "our_key")


def test_after_a_change_of_the_key_the_former_ones_records_still_tell_the_start() -> None:
    former = written(HONEST, FORMER_KEY)
    assert remembered(former, former) == Remembered((HONEST, HONEST), "another_key")
    one_is_ours = remembered(written(HONEST), written(since(NOW), FORMER_KEY))
    assert one_is_ours == Remembered((HONEST,), "our_key")


def test_nothing_is_remembered_of_what_is_empty_foreign_or_anothers() -> None:
    tombstone = ChangelogRecord(b"d/1/0", None, [])
    assert remembered([], [tombstone, BAD], written(HONEST, group="another")) == Remembered((), None)
