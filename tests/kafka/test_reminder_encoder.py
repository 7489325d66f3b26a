"""Reminders encoded by the batch are, byte for byte, those that fastavro and `uuid5` make one by one."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from prometheus_client import CollectorRegistry, Histogram

from consumer.activity.avro import batch_writer
from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.byte_columns import cells
from consumer.clock import ManualClock
from consumer.detect.lapse_rules import reminder_id
from consumer.detect.reminder_batch import ReminderBatch
from consumer.kafka.detect_loop.reminder_encoder import ReminderEncoder
from consumer.metrics import BatchHistogram
from consumer.records import Reminder, ReminderKind

CODEC = RecordCodec(WriterSchemas(ManualClock()))
ENCODER = ReminderEncoder(CODEC, "reminders")
PROCESSES = ["checkout", "añejo", "p" * 300]
Row = tuple[str, str | None, int, int, int, int]
TIMES = st.integers(-(1 << 53), 1 << 53)
TEXTS = st.text(max_size=70) | st.sampled_from(["", "é", "👩‍👩‍👧", "x" * 255])
ROWS = st.tuples(TEXTS, st.none() | TEXTS, st.integers(0, 255), TIMES, st.integers(0, 1 << 53), TIMES)


def batch_of(kind: ReminderKind, process: str, rows: list[Row], now: int) -> ReminderBatch:
    users, actions, steps, last_seen, remind_after, occurred_at = zip(*rows, strict=True)
    return ReminderBatch(
        kind=kind,
        process=process,
        users=cells.of_texts([user.encode() for user in users]),
        actions=cells.of_texts([(action or "").encode() for action in actions]),
        has_action=np.array([action is not None for action in actions]),
        steps=np.array(steps, np.int64),
        last_seen=np.array(last_seen, np.int64),
        remind_after=np.array(remind_after, np.int64),
        occurred_at=np.array(occurred_at, np.int64),
        detected_at=now,
    )


@given(st.sampled_from(ReminderKind), st.sampled_from(PROCESSES), st.lists(ROWS, min_size=1, max_size=20), TIMES)
def test_batch_is_encoded_as_each_of_its_reminders_would_be(
    kind: ReminderKind, process: str, rows: list[Row], now: int
) -> None:
    expected = [
        Reminder(
            reminder_id=reminder_id(user, process, seen, after),
            kind=kind,
            user_id=user,
            process=process,
            step=step,
            action=action,
            last_seen=seen,
            lapsed_at=seen + after,
            occurred_at=occurred,
            detected_at=now,
        )
        for user, action, step, seen, after, occurred in rows
    ]
    batch = batch_of(kind, process, rows, now)
    assert list(batch) == expected
    keys, values = ENCODER.encode_batch(batch)
    assert keys == [row[0].encode() for row in rows]
    assert values == [ENCODER.encode(reminder) for reminder in expected]
    assert [CODEC.decode(Reminder, value) for value in values] == expected


@given(st.lists(st.integers(-(1 << 63) + 1, (1 << 63) - 1), min_size=1))
def test_numbers_are_written_as_text_and_as_avro(numbers: list[int]) -> None:
    column = np.array(numbers, np.int64)
    assert cells.join([cells.decimals(column)]) == [str(number).encode() for number in numbers]
    assert cells.join([batch_writer.longs(column)]) == [zigzag(number) for number in numbers]


def zigzag(number: int) -> bytes:
    left, out = (number << 1) ^ (number >> 63), bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


@pytest.mark.parametrize("count", [0, 1, 500])
def test_many_values_are_added_to_a_histogram_as_one_by_one(count: int) -> None:
    values = np.concatenate([np.random.default_rng(1).exponential(2, count), [0.1, 0.5, 60.0, 1e9, -3.0][:count]])
    many, single = CollectorRegistry(), CollectorRegistry()
    buckets = (0.1, 0.5, 1, 60)
    BatchHistogram("h", "-", buckets=buckets, registry=many).observe_all(values)
    plain = Histogram("h", "-", buckets=buckets, registry=single)
    for value in values.tolist():
        plain.observe(value)
    for name, labels in [("h_count", {}), *(("h_bucket", {"le": str(float(bound))}) for bound in buckets)]:
        assert many.get_sample_value(name, labels) == single.get_sample_value(name, labels)
    assert many.get_sample_value("h_sum") == pytest.approx(single.get_sample_value("h_sum"))
