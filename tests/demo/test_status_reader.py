"""The reader takes delivery-status as any consumer could, and counts what it cannot read."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from consumer.activity.record_codec import RecordCodec
from consumer.demo.broker import QUIET
from consumer.demo.status_reader import StatusesRead, StatusReader
from consumer.records import DeliveryStatus
from tests.app.service import eventually
from tests.statuses import delivery_status

RECORD = delivery_status(reminder_id="r1", message_id="wamid.1")


def read(*records: DeliveryStatus) -> StatusesRead:
    read = StatusesRead()
    for record in records:
        read.add(record)
    return read


def test_every_status_and_every_message_of_a_reminder_is_kept() -> None:
    suppressed = replace(RECORD, reminder_id="r2", status="suppressed", message_id=None)
    second = replace(RECORD, sequence=2, status="sent", message_id="wamid.2")
    found = read(RECORD, second, RECORD, suppressed)
    assert found.statuses == {"r1": {"accepted", "sent"}, "r2": {"suppressed"}}
    assert found.message_ids == {"r1": {"wamid.1", "wamid.2"}}
    assert found.records == 4


@pytest.fixture
def reader(broker: str, codec: RecordCodec) -> Iterator[StatusReader]:
    with closing(StatusReader(broker, "delivery-status", codec)) as reader:
        yield reader


@pytest.mark.slow
def test_records_are_read_from_the_beginning_and_unreadable_ones_are_counted(
    broker: str, codec: RecordCodec, reader: StatusReader
) -> None:
    producer = Producer({"bootstrap.servers": broker, **QUIET})
    later = replace(RECORD, sequence=2, status="delivered")
    for value in (codec.encode(RECORD, "x"), b"no record", codec.encode(later, "x"), None):
        producer.produce("delivery-status", value, b"u1", partition=0)
    assert producer.flush(10) == 0
    eventually(
        lambda: not reader.poll(0) and reader.read.records + reader.read.unreadable == 4, meaning="all four are read"
    )
    assert (reader.read.records, reader.read.unreadable) == (2, 2)
    assert reader.read.statuses == {"r1": {"accepted", "delivered"}}
    assert not reader.poll(0.1), "nothing more came"


class Failing:
    """A message that is an error, as librdkafka hands it out."""

    def __init__(self, code: int) -> None:
        self._error = KafkaError(code)

    def error(self) -> KafkaError:
        return self._error


def test_a_lost_connection_is_waited_out_and_a_refusal_ends_the_reader(
    reader: StatusReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.close()
    codes = [KafkaError._TRANSPORT, KafkaError.TOPIC_AUTHORIZATION_FAILED]
    batches = iter([[Failing(code)] for code in codes])
    consumer = type("Consumer", (), {"consume": lambda *_: next(batches), "close": lambda self: None})
    monkeypatch.setattr(reader, "_consumer", consumer())
    assert reader.poll(0)
    with pytest.raises(KafkaException):
        reader.poll(0)
