"""One process at a time publishes: one that was fenced cannot, however late it wakes up."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from consumer.clock import SECOND
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.exclusive_publisher import ExclusivePublisher, PublisherFenced, RecordRefused
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import NotAcknowledged, Refused
from tests.broker.broker import Broker
from tests.broker.topics import FreshTopics, fresh_name
from tests.kafka.consumer_setup import TIMEOUT_S


@pytest.fixture
def name() -> str:
    return fresh_name("exclusive")


@pytest.fixture
def two(kafka: str, name: str) -> Iterator[tuple[ExclusivePublisher, ExclusivePublisher]]:
    one, other = (ExclusivePublisher(KafkaSettings(bootstrap_servers=kafka), name=name) for _ in range(2))
    yield one, other
    one.close()
    other.close()


def numbers(topic: str, *which: int) -> list[Output]:
    return [Output(topic, -1, b"key", str(n).encode()) for n in which]


def read(bootstrap: str, topic: str, count: int) -> list[int]:
    """The first records of the topic's only partition, and any that follow them at once."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = consumer.consume(count, TIMEOUT_S) + consumer.consume(1, 0.3)
    consumer.close()
    return [int(message.value() or b"") for message in found]


def test_publishes_in_order(
    kafka: str, topics: FreshTopics, two: tuple[ExclusivePublisher, ExclusivePublisher]
) -> None:
    topic, (one, _) = topics(1), two
    one.begin()
    one.publish(numbers(topic, *range(300)))
    one.begin()  # changes nothing: it is the one already
    one.publish([])
    one.publish(numbers(topic, 300, 301))
    assert read(kafka, topic, 302) == list(range(302))


def test_fenced_publisher_writes_nothing_until_it_takes_over_again(
    kafka: str, topics: FreshTopics, two: tuple[ExclusivePublisher, ExclusivePublisher]
) -> None:
    topic, (one, other) = topics(1), two
    one.begin()
    one.publish(numbers(topic, 1))
    other.begin()
    other.publish(numbers(topic, 2))
    with pytest.raises(PublisherFenced):
        one.publish(numbers(topic, 1))  # it was paused, and does not know
    other.publish(numbers(topic, 3))
    one.begin()
    one.publish(numbers(topic, 4))
    with pytest.raises(PublisherFenced):
        other.publish(numbers(topic, 3))
    assert read(kafka, topic, 4) == [1, 2, 3, 4]


def test_too_large_record_is_refused_and_the_next_batch_published(kafka: str, topics: FreshTopics, name: str) -> None:
    topic = topics(1, config={"max.message.bytes": "1000"})
    one = ExclusivePublisher(KafkaSettings(bootstrap_servers=kafka), name=name)
    one.begin()
    with pytest.raises(Refused, match="too large"):
        one.publish([*numbers(topic, 1), Output(topic, -1, b"key", b"x" * 2_000)])
    one.begin()
    one.publish(numbers(topic, 1))
    assert read(kafka, topic, 1) == [1]
    one.close()


def test_silent_broker_is_reported_in_time_and_the_batch_published_when_it_is_back(
    own_kafka: Broker, name: str
) -> None:
    topic = FreshTopics(own_kafka.bootstrap)(1)
    kafka = KafkaSettings(bootstrap_servers=own_kafka.bootstrap)
    one = ExclusivePublisher(kafka, name=name, timeout_ms=2 * SECOND)
    one.begin()
    one.publish(numbers(topic, 1))
    own_kafka.stop()
    started = time.monotonic()
    with pytest.raises(NotAcknowledged):
        one.publish(numbers(topic, 2))
    with pytest.raises(NotAcknowledged):
        one.begin()
    assert time.monotonic() - started < TIMEOUT_S
    own_kafka.start()
    one.begin()
    one.publish(numbers(topic, 2))
    assert read(own_kafka.bootstrap, topic, 2) == [1, 2]
    one.close()


def test_record_that_the_topic_does_not_take_is_refused_for_what_it_is(
    kafka: str, topics: FreshTopics, two: tuple[ExclusivePublisher, ExclusivePublisher]
) -> None:
    topic, (one, _) = topics(1, config={"max.message.bytes": "1000"}), two
    one.begin()
    with pytest.raises(RecordRefused) as refused:
        one.publish([*numbers(topic, 1), Output(topic, -1, b"x" * 2_000, b"2"), *numbers(topic, 3)])
    assert refused.value.why == "MSG_SIZE_TOO_LARGE"
    one.begin()
    with pytest.raises(RecordRefused):  # the client itself knows that no topic takes it
        one.publish([Output(topic, -1, b"key", b"1" * 2_000_000)])
    one.begin()
    one.publish(numbers(topic, 4))
    assert read(kafka, topic, 1) == [4]
