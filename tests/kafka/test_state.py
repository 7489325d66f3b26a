"""What the state topic of a partition holds, what it refuses, and that it stays small."""

import json

import polars as pl
import pytest

from consumer.clock import HOUR
from consumer.detect import snapshot
from consumer.detect.lapse_rules import Processes
from consumer.detect.snapshot import DamagedState
from consumer.detect.table import Table
from consumer.kafka.changelog import writer
from consumer.kafka.changelog.reader import ChangelogReader, Restored
from consumer.kafka.changelog.writer import ChangelogRecord
from tests.detect.hearing import RULES, hear, new_writer


def users(first: int, count: int, at: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": [f"user-{n}" for n in range(first, first + count)],
            "process": ["checkout"] * count,
            "ending": pl.Series([0] * count, dtype=pl.UInt8),
            "action": pl.Series([None] * count, dtype=pl.String),
            "occurred_at": [at] * count,
            "written_at": [at] * count,
        }
    )


class Partition:
    """A table that is committed now and then, and the topic as compaction would leave it."""

    def __init__(self) -> None:
        self.table = Table(Processes(RULES))
        self.writer = new_writer("lapse", RULES.ladders)
        self.log: list[ChangelogRecord] = []

    def commit(self, offset: int, *, hears: pl.DataFrame | None = None) -> None:
        if hears is not None:
            hear(self.table, hears, 0)
        self.log += self.writer.build_segments(self.table, offset, watermark=offset)

    def compacted(self) -> list[ChangelogRecord]:
        latest = {message.key: message for message in self.log}
        return [m for m in self.log if latest[m.key] is m and m.value is not None]


def read(messages: list[ChangelogRecord], group: str = "lapse") -> Restored:
    reader = ChangelogReader(group, Processes(RULES))
    for message in messages:
        reader.feed(message.key, message.value, message.headers)
    restored = reader.finish()
    assert restored is not None
    return restored


@pytest.fixture
def partition() -> Partition:
    made = Partition()
    for n in range(30):
        made.commit(n * 500, hears=users(n * 300, 500, at=n))
    return made


def test_an_empty_partition_restores_to_nothing() -> None:
    assert ChangelogReader("lapse", Processes(RULES)).finish() is None


def test_the_topic_restores_the_table_compacted_or_not(partition: Partition) -> None:
    for messages in (partition.log, partition.compacted()):
        restored = read(messages)
        assert len(restored.table) == len(partition.table) == 29 * 300 + 500
        assert restored.offset == 29 * 500
        assert restored.watermark == 29 * 500
        due = {(r.user_id, r.last_seen) for r in restored.table.advance_to(2 * HOUR, 0).asked}
        assert len(due) == len(partition.table)
        assert ("user-0", 0) in due
        assert ("user-8700", 29) in due


def test_a_tombstone_that_compaction_has_not_cleaned_up_is_harmless(partition: Partition) -> None:
    missed = [m for m in partition.log if m.value is not None]
    assert len(read(missed).table) == len(partition.table)


def test_a_restored_writer_goes_on_where_the_other_stopped(partition: Partition) -> None:
    restored = read(partition.log)
    for n in range(30, 40):
        hear(restored.table, users(n * 300, 500, at=n), 0)
        partition.log += restored.writer.build_segments(restored.table, n * 500, watermark=0)
    assert len(read(partition.compacted()).table) == len(restored.table)


@pytest.mark.slow
def test_the_topic_stays_as_large_as_a_few_tables_however_long_it_runs(partition: Partition) -> None:
    for n in range(30, 600):
        partition.commit(n, hears=users((n % 30) * 300, 500, at=n))
    rows = sum(pl.read_ipc(m.value).height for m in partition.compacted() if m.value)
    assert rows < 6 * len(partition.table)


def test_a_commit_that_adds_several_pages_needs_no_delta_from_before_them() -> None:
    """What is outlived by the pages of then is gone, when more users than fit on a page come at once."""
    made = Partition()
    for n in range(3):
        made.commit(n)
    made.commit(3, hears=users(0, 30_000, at=3))
    for messages in (made.log, made.compacted()):
        assert len(read(messages).table) == 30_000
    gone = next(i for i, m in enumerate(made.log) if m.key == b"d/4/0")
    with pytest.raises(DamagedState, match="sequence 4 is missing"):
        read(made.log[:gone] + made.log[gone + 1 :])


def test_a_missing_delta_is_noticed(partition: Partition) -> None:
    last = max(i for i, m in enumerate(partition.log) if m.key.startswith(b"d/30/"))
    with pytest.raises(DamagedState, match="sequence 30 is missing"):
        read(partition.log[:last] + partition.log[last + 1 :])


def test_a_damaged_segment_is_noticed(partition: Partition) -> None:
    good = next(m for m in partition.log if m.value)
    assert good.value is not None
    with pytest.raises(DamagedState, match="damaged"):
        read([ChangelogRecord(good.key, good.value[: len(good.value) // 2], good.headers)])


def test_damage_is_told_by_its_place_unless_it_was_replaced_since(partition: Partition) -> None:
    good = next(m for m in partition.log if m.value)
    reader = ChangelogReader("lapse", Processes(RULES))
    reader.feed(good.key, b"no columns", good.headers, "offset 7")
    with pytest.raises(DamagedState, match="damaged") as refused:
        reader.finish()
    assert refused.value.where == "offset 7"
    page = next(m for m in partition.log if m.key.startswith(b"p/") and m.value)
    damaged = ChangelogRecord(page.key, b"no columns", page.headers)
    assert len(read([damaged, *partition.log]).table) == len(partition.table)


def test_a_frame_that_is_no_table_is_noticed(partition: Partition) -> None:
    good = next(m for m in partition.log if m.value)
    with pytest.raises(DamagedState, match="columns"):
        read([ChangelogRecord(good.key, writer.to_bytes(pl.DataFrame({"row": [1], "x": [2]})), good.headers)])


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        (b"d/30/0", [3, 2]),
        (b"d/30/0", [3, 3]),
        (b"d/30/0", [-1, 0]),
        (b"d/30/0", [0, 8192 * 2]),
        (b"p/8192/16384", [0, 8192]),
        (b"p/0/16384", [0, 1]),
        (b"p/8192/0", [0, 1]),
    ],
)
def test_rows_that_no_commit_of_ours_would_write_are_refused(partition: Partition, key: bytes, rows: list[int]) -> None:
    frame = snapshot.rows_between(partition.table, 0, 2).with_columns(row=pl.Series(rows, dtype=pl.Int32))
    headers = next(m.headers for m in partition.log if m.key == b"d/30/0")
    reader = ChangelogReader("lapse", Processes(RULES))
    for message in [*partition.log, ChangelogRecord(key, writer.to_bytes(frame), headers)]:
        reader.feed(message.key, message.value, message.headers, "offset 9")
    with pytest.raises(DamagedState, match="row") as refused:
        reader.finish()
    assert refused.value.where == "offset 9"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"group": "another"}, "belongs to the group 'another'"),
        ({"version": 9}, "its format is 9"),
        ({"pages": 10**12}, "pages"),
    ],
)
def test_a_foreign_segment_is_refused(partition: Partition, change: dict[str, object], complaint: str) -> None:
    reported = json.loads(dict(partition.log[0].headers)["segment"]) | change
    foreign = ChangelogRecord(b"d/1/0", b"", [("segment", json.dumps(reported).encode())])
    with pytest.raises(DamagedState, match=complaint):
        read([foreign])


@pytest.mark.parametrize("headers", [[], [("segment", b"{")], [("segment", b'{"a": 1}')]])
def test_a_record_without_our_header_is_refused(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(DamagedState, match="header"):
        read([ChangelogRecord(b"d/1/0", b"", headers)])


def test_a_delta_of_many_rows_is_cut_into_pieces_a_broker_takes() -> None:
    made = Partition()
    wide = pl.Series([f"{n:08d}" + "x" * 200 + str(n * 7919) for n in range(30_000)])
    made.commit(1, hears=users(0, 30_000, at=1).with_columns(user_id=wide))
    assert all(len(m.value or b"") <= writer.MAX_SEGMENT_BYTES for m in made.log)
    assert len(read(made.log).table) == 30_000
