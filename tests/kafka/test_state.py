"""What the state topic of a partition holds, what it refuses, and that it stays small."""

import json
from collections.abc import Sequence
from copy import deepcopy
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.clock import HOUR
from consumer.detect import snapshot
from consumer.detect.lapse_rules import Processes
from consumer.detect.snapshot import DamagedState
from consumer.detect.table import Table
from consumer.kafka.changelog import writer
from consumer.kafka.changelog.reader import ChangelogReader, Restored
from consumer.kafka.changelog.segment_header import Seal
from consumer.kafka.changelog.writer import ChangelogRecord, ChangelogWriter
from tests.detect.hearing import RULES, hear, new_writer

VOLUME = {"window": 1, "since": 0, "until": 5, "counts": [1]}


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


def read(messages: Sequence[ChangelogRecord], group: str = "lapse") -> Restored:
    reader = ChangelogReader(group, Processes(RULES))
    for message in messages:
        reader.feed(message.key, message.value, message.headers)
    restored = reader.finish()
    assert restored is not None
    return restored


@pytest.fixture(scope="module")
def thirty_commits() -> Partition:
    made = Partition()
    for n in range(30):
        made.commit(n * 500, hears=users(n * 300, 500, at=n))
    return made


@pytest.fixture
def partition(thirty_commits: Partition) -> Partition:
    return deepcopy(thirty_commits)


def test_an_empty_partition_restores_to_nothing() -> None:
    assert ChangelogReader("lapse", Processes(RULES)).finish() is None


def test_the_topic_restores_the_table_compacted_or_not(partition: Partition) -> None:
    for messages in (partition.log, partition.compacted()):
        restored = read(messages)
        assert len(restored.table) == len(partition.table) == 29 * 300 + 500
        assert restored.offset == 29 * 500
        assert restored.watermark == 29 * 500
        due = {(r.user_id, r.last_seen) for r in restored.table.advance_to(2 * HOUR, 0).reminders()}
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
    rows = sum(pl.read_ipc_stream(m.value).height for m in partition.compacted() if m.value)
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
        read([sealed(good.key, writer.to_bytes(pl.DataFrame({"row": [1], "x": [2]})), header_of(good))])


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
    [page] = snapshot.read_pages(partition.table, [0])
    frame = page.head(2).with_columns(row=pl.Series(rows, dtype=pl.Int32))
    header = header_of(next(m for m in partition.log if m.key == b"d/30/0"))
    reader = ChangelogReader("lapse", Processes(RULES))
    for message in [*partition.log, sealed(key, writer.to_bytes(frame), header)]:
        reader.feed(message.key, message.value, message.headers, "offset 9")
    with pytest.raises(DamagedState, match="row") as refused:
        reader.finish()
    assert refused.value.where == "offset 9"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"group": "another"}, "belongs to the group 'another'"),
        ({"version": 9}, "its format is 9; this Lapse reads 3 to 5: a newer Lapse wrote it: run that version"),
        ({"version": 2}, "its format is 2; this Lapse reads 3 to 5$"),
        ({"pages": 10**12}, "pages"),
        ({"pages": 10**30}, "no number of pages can be like that"),
        ({"sequence": 0}, "no sequence can be like that"),
        ({"sequence": True}, "cannot be read"),
        ({"offset": -1}, "no offset can be like that"),
        ({"offset": "7"}, "cannot be read"),
        ({"watermark": 1 << 60}, "no time can be like that"),
        ({"chunks": 1.5}, "cannot be read"),
        ({"processes": "checkout"}, "cannot be read"),
        ({"processes": [None]}, "cannot be read"),
        ({"brake_state": {"held": "a rumour"}}, "no brake can be like that"),
        ({"brake_state": []}, "cannot be read"),
        ({"lineage": 7}, "cannot be read"),
        ({"lineage": {"topic_id": None, "partitions": 0}}, "no number of partitions"),
        ({"lineage": {"topic_id": None, "partitions": 1, "grown_at": -5}}, "no time"),
        ({"lineage": {"topic_id": None, "partitions": 1, "processes": {"a": {"ladder": [5, 5]}}}}, "no ladder"),
        ({"lineage": {"topic_id": None, "partitions": 1, "processes": {"a": {"ladder": []}}}}, "no ladder"),
        ({"lineage": {"topic_id": None, "partitions": 1, "volume": VOLUME | {"counts": [-1]}}}, "no volume"),
        ({"lineage": {"topic_id": None, "partitions": 1, "volume": VOLUME | {"counts": 3}}}, "cannot be read"),
    ],
)
def test_header_that_no_commit_of_ours_would_write_is_refused(
    partition: Partition, change: dict[str, object], complaint: str
) -> None:
    stored = json.loads(header_of(partition.log[0])) | change
    with pytest.raises(DamagedState, match=complaint):
        read([sealed(b"d/1/0", b"", json.dumps(stored).encode())])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("last_seen", 1 << 60),
        ("last_seen", -(1 << 60)),
        ("heard", (1 << 62) - 1),
        ("asked_after", -1),
        ("reported", 9),
        ("ending", 7),
        ("process", 5),
    ],
)
def test_numbers_that_no_table_holds_are_refused(partition: Partition, column: str, value: int) -> None:
    changed = pl.when(pl.col("row") == 5).then(value).otherwise(pl.col(column)).cast(snapshot.SCHEMA[column])
    [page] = snapshot.read_pages(partition.table, [0])
    frame = page.with_columns(changed.alias(column))
    header = header_of(next(m for m in partition.log if m.key == b"d/30/0"))
    with pytest.raises(DamagedState):
        read([*partition.log, sealed(b"p/0/8192", writer.to_bytes(frame), header)])


@pytest.mark.parametrize(
    "headers", [[], [("segment", None)], [("segment", b"{}")], [("segment", b"{}"), ("seal", b"")]]
)
def test_record_without_our_headers_is_refused(headers: list[tuple[str, bytes | None]]) -> None:
    reader = ChangelogReader("lapse", Processes(RULES))
    with pytest.raises(DamagedState, match=r"not written by Lapse|without a checksum"):
        reader.feed(b"d/1/0", b"", headers)


@pytest.mark.parametrize("key", [None, b"", b"d/1", b"x/1/2", b"d/-1/0", b"d/1/" + b"9" * 5000, "d/²/1".encode()])
def test_key_that_names_no_segment_is_refused(key: bytes | None) -> None:
    with pytest.raises(DamagedState, match="names no segment"):
        ChangelogReader("lapse", Processes(RULES)).feed(key, b"", [])


@pytest.mark.parametrize("header", [b"", b"{", b'{"version": 3}', b"[" * 100_000, b"7", b'{"version": [3]}', b"\xff"])
def test_header_that_is_no_json_of_ours_is_refused(header: bytes) -> None:
    with pytest.raises(DamagedState, match=r"cannot be read|format"):
        read([sealed(b"d/1/0", b"", header)])


@given(st.data())
def test_any_changed_byte_of_a_segment_is_noticed_before_native_code_sees_it(data: st.DataObject) -> None:
    log = written_log()
    message = data.draw(st.sampled_from([m for m in log if m.value]))
    parts = {"key": message.key, "value": message.value or b"", **dict(message.headers)}
    name = data.draw(st.sampled_from(sorted(parts)))
    place, bit = data.draw(st.integers(0, len(parts[name]) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(parts[name])
    changed[place] ^= 1 << bit
    parts[name] = bytes(changed)
    headers = [(header, parts[header]) for header, _ in message.headers]
    with pytest.raises(DamagedState):
        read([ChangelogRecord(parts["key"], parts["value"], headers) if each is message else each for each in log])


@cache
def written_log() -> tuple[ChangelogRecord, ...]:
    made = Partition()
    made.commit(300, hears=users(0, 300, at=1))
    made.commit(301, hears=users(200, 200, at=2))
    latest = {message.key: message for message in made.log}
    return tuple(m for m in made.log if latest[m.key] is m and m.value)


def test_segments_of_another_key_or_partition_are_refused() -> None:
    table, seal = Table(Processes(RULES)), Seal(b"the operator's key", 3)
    hear(table, users(0, 5, at=1), 0)
    lineage = new_writer("lapse", RULES.ladders).lineage
    [segment, *_] = ChangelogWriter("lapse", lineage, seal).build_segments(table, 5, None)
    for other in (Seal(), Seal(b"a stranger's key", 3), Seal(b"the operator's key", 2)):
        with pytest.raises(DamagedState, match=r"checksum is wrong.*topics.state_key"):
            ChangelogReader("lapse", Processes(RULES), other).feed(*segment)
    ChangelogReader("lapse", Processes(RULES), Seal(b"the operator's key", 3)).feed(*segment)


def header_of(message: ChangelogRecord) -> bytes:
    return dict(message.headers)["segment"]


def sealed(key: bytes, value: bytes, header: bytes) -> ChangelogRecord:
    """What somebody without the operator's key could write."""
    return ChangelogRecord(key, value, Seal().headers(key, header, value))


def test_a_delta_of_many_rows_is_cut_into_pieces_a_broker_takes() -> None:
    made = Partition()
    wide = pl.Series([f"{n:08d}" + "x" * 200 + str(n * 7919) for n in range(30_000)])
    made.commit(1, hears=users(0, 30_000, at=1).with_columns(user_id=wide))
    assert all(len(m.value or b"") <= writer.MAX_SEGMENT_BYTES for m in made.log)
    assert len(read(made.log).table) == 30_000


def test_pages_that_are_read_at_once_hold_what_each_holds_alone() -> None:
    made = Partition()
    hear(made.table, users(0, 45_000, at=1), 0)
    store = made.table.store
    store.release(np.arange(8192, 3 * 8192, 2))
    store.release(np.arange(3 * 8192, 4 * 8192))
    pages = [5, 0, 1, 3, 9, 2, 4]  # of the fourth no row is live, the tenth is behind the table
    for page, frame in zip(pages, snapshot.read_pages(made.table, pages), strict=True):
        live = store.live_rows()[store.live_rows() // snapshot.PAGE == page]
        assert frame["row"].to_list() == live.tolist()
        assert frame["user"].to_list() == store.user.get(live)
        [alone] = snapshot.read_pages(made.table, [page])
        assert writer.to_bytes(frame) == writer.to_bytes(alone)
