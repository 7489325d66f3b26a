"""What a consumer was given last says how far it has read."""

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from consumer.kafka.clients.message_position import position_behind


def given(code: int | None, offset: int) -> Message:
    return Message(topic="t", partition=0, offset=offset, error=None if code is None else KafkaError(code))


@pytest.mark.parametrize(
    ("message", "position"),
    [
        (given(None, 0), 1),
        (given(None, 41), 42),
        (given(KafkaError._PARTITION_EOF, 44), 44),  # markers of transactions at 42 and 43
        (given(KafkaError._TRANSPORT, -1001), 0),
    ],
    ids=["first record", "record", "end of partition", "connection lost"],
)
def test_position_is_behind_records_and_at_the_end(message: Message, position: int) -> None:
    assert position_behind(message) == position


def test_an_error_that_stays_is_raised() -> None:
    with pytest.raises(KafkaException):
        position_behind(given(KafkaError.TOPIC_AUTHORIZATION_FAILED, -1001))
