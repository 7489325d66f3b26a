"""A state of an earlier Lapse restores without a rebuild, and the next commits go on in the format of now."""

import io
import json
from functools import cache

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from consumer.detect.lapse_rules import Processes
from consumer.detect.snapshot import DamagedState
from consumer.detect.storage.traces import TRACE
from consumer.detect.table import Table
from consumer.kafka.changelog import segment_header
from consumer.kafka.changelog.segment_header import FILE_FORMATS, FORMAT, Seal
from consumer.kafka.changelog.writer import ChangelogRecord
from consumer.records import Ending
from tests.detect.hearing import hear, new_writer
from tests.kafka.test_state_restores_the_table import RULES, batch, contents, restored

COMMITS = 6


def in_format(version: int, record: ChangelogRecord) -> ChangelogRecord:
    """The record as an earlier Lapse wrote it: a file of format 3, or of 4 with trace contexts."""
    if record.value is None:
        return record
    header = json.loads(dict(record.headers)["segment"]) | {"version": version}
    value, out = record.value, io.BytesIO()
    if value:
        pl.read_ipc_stream(value).write_ipc(out, compression="zstd")
        value = out.getvalue()
    return ChangelogRecord(record.key, value, Seal().headers(record.key, json.dumps(header).encode(), value))


@cache
def commits(*, traced: bool) -> tuple[Table, list[list[ChangelogRecord]]]:
    """A table of two pages, and what each commit of it wrote."""
    table, writer, made = Table(Processes(RULES)), new_writer("lapse", RULES.ladders), []
    for n in range(COMMITS):
        hear(table, batch(n, n * 1_000, 9_000 if n == 0 else 1_500, 1, "a passport", Ending(n % 2)), n)
        if traced:
            table.store.keep_traces()[table.store.dirty] = np.array(b"\1" * 24 + bytes([n + 1]), TRACE)
        made.append(writer.build_segments(table, n, n))
    return table, made


def traces(table: Table) -> list[bytes] | None:
    return None if table.store.traces is None else table.store.traces[table.store.live_rows()].tolist()


@settings(max_examples=20, deadline=None)
@given(traced=st.booleans(), earlier=st.integers(0, COMMITS), compacted=st.booleans())
def test_a_state_that_began_in_an_earlier_format_restores(traced: bool, earlier: int, compacted: bool) -> None:
    table, made = commits(traced=traced)
    before = [in_format(4 if traced else 3, record) for commit in made[:earlier] for record in commit]
    log = before + [record for commit in made[earlier:] for record in commit]
    if compacted:
        latest = {record.key: record for record in log}
        log = [record for record in log if latest[record.key] is record and record.value is not None]
    copy, writer = restored(log)
    assert contents(copy) == contents(table)
    assert traces(copy) == traces(table)
    following = writer.build_segments(copy, COMMITS, COMMITS)
    assert {segment_header.parse(each.headers, "lapse").version for each in following if each.value} == {FORMAT}
    again, _ = restored(log + following)
    assert contents(again) == contents(table)


@pytest.mark.parametrize("version", FILE_FORMATS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_changed_byte_of_an_earlier_format_is_noticed(version: int, data: st.DataObject) -> None:
    _, [commit, *_] = commits(traced=version == 4)
    log = [in_format(version, record) for record in commit if record.value]
    at = data.draw(st.integers(0, len(log) - 1))
    value = bytearray(log[at].value or b"")
    value[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamagedState, match="does not have its checksum"):
        restored([*log[:at], log[at]._replace(value=bytes(value)), *log[at + 1 :]])


@pytest.mark.parametrize(("written", "said"), [(FORMAT, 3), (3, FORMAT)])
def test_a_file_that_says_it_is_a_stream_and_the_reverse_are_refused(written: int, said: int) -> None:
    _, [[delta, *_], *_] = commits(traced=False)
    record = delta if written == FORMAT else in_format(written, delta)
    header = json.dumps(json.loads(dict(delta.headers)["segment"]) | {"version": said}).encode()
    value = record.value or b""
    with pytest.raises(DamagedState, match="its content is damaged"):
        restored([ChangelogRecord(delta.key, value, Seal().headers(delta.key, header, value))])
