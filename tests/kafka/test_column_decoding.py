"""Decoding by columns gives the same activities as decoding by frames, whatever the batch is made of."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.column_decoder import ColumnDecoder
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.byte_columns.text_spans import series_of
from consumer.clock import ManualClock
from consumer.detect.compiled_row_loops import CompiledRowLoops
from consumer.kafka.detect_loop.batch_builder import Records
from consumer.kafka.detect_loop.column_decoding import ColumnDecoding
from consumer.kafka.detect_loop.decoding import DecodedBatch, FrameDecoding
from tests.activity.writing import FIELDS, NOON, event, framed, record

WRITER = record(FIELDS)
LOOPS = CompiledRowLoops(bytes(range(16)))
AVRO = AvroReader(WriterSchemas(ManualClock(), others=[WRITER]))
FRAMES = FrameDecoding(ActivityDecoder(AVRO), LOOPS)
COLUMNS = ColumnDecoding(ColumnDecoder(AVRO, ActivityDecoder(AVRO)), LOOPS)
KNOWN = pl.Enum(["checkout", "document-upload"])

events = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["ann", "bob", "zoë", "", "x" * 256]),
        "process": st.sampled_from(["checkout", "document-upload", "unknown", "größe", ""]),
        "kind": st.sampled_from(["STARTED", "COMPLETED"]),
        "action": st.sampled_from([None, "", "your passport", "für dich", "y" * 129]),
        "occurred_at": st.sampled_from([NOON, NOON + 5, NOON - 90, 1]),
    }
)
values = st.one_of(
    st.builds(lambda fields: framed(WRITER, event(**fields)), events),
    st.just(framed(WRITER, event())),
    st.sampled_from([None, b"", b"?", framed(WRITER, event())[:-1]]),
)


def told(read: DecodedBatch) -> list[Any]:
    batch = read.activities
    numbers = (batch.indices, batch.low, batch.high, batch.process_codes, batch.endings, batch.occurred_at)
    flags = batch.written_at, batch.has_action, read.indices, read.skew
    texts = series_of(batch.users), series_of(batch.actions)
    return [column.tolist() for column in (*numbers, *flags)] + [column.to_list() for column in texts]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(values, st.sampled_from([-1, NOON, NOON - 70])), max_size=14), st.data())
def test_both_give_the_same_activities(written: list[tuple[Any, int]], data: st.DataObject) -> None:
    taken = [value for value, _ in written]
    timestamps = np.array([timestamp for _, timestamp in written], np.int64)
    records = Records(np.arange(len(taken)), timestamps, [None] * len(taken), taken)
    frames, columns = (decoding(records, NOON, KNOWN) for decoding in (FRAMES, COLUMNS))
    assert told(columns) == told(frames)
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(frames.activities))] * 2)))
    parts = [read._replace(activities=read.activities.slice(start, stop)) for read in (frames, columns)]
    assert told(parts[0]) == told(parts[1])


def test_a_process_that_becomes_known_is_applied() -> None:
    records = Records(np.arange(1), np.array([NOON]), [None], [framed(WRITER, event(process="later"))])
    assert len(COLUMNS(records, NOON, KNOWN).activities) == 0
    assert len(COLUMNS(records, NOON, pl.Enum(["checkout", "later"])).activities) == 1
