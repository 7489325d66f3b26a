"""One process at a time writes: whoever was put out cannot, however late it wakes up."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from consumer.clock import SystemClock
from consumer.config.settings import KafkaSettings
from consumer.kafka.clients import sole_publisher
from consumer.kafka.clients.publisher import NotAcknowledged
from consumer.kafka.clients.exclusive_publisher import SolePublisher
from consumer.kafka.clients.transactional_producer import Replaced
from consumer.kafka.clients.output import Output
from tests.broker.broker import Broker
from tests.broker.topics import FreshTopics, fresh_name

from .reading import WAIT


@pytest.fixture
def name() -> str:
    return fresh_name("sole")


@pytest.fixture
def two(kafka: str, name: str) -> Iterator[tuple[SolePublisher, SolePublisher]]:
    one, other = (SolePublisher(KafkaSettings(bootstrap_servers=kafka), SystemClock(), name=name) for _ in range(2))
    yield one, other
    one.close()
    other.close()


def numbers(topic: str, *which: int) -> list[Output]:
    return [Output(topic, -1, b"key", str(n).encode()) for n in which]


def read(bootstrap: str, topic: str, count: int) -> list[int]:
    """The first records of the topic's only partition, and any that follow them at once."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = consumer.consume(count, WAIT) + consumer.consume(1, 0.3)
    consumer.close()
    return [int(message.value() or b"") for message in found]


def test_what_was_published_is_there_in_order(
    kafka: str, topics: FreshTopics, two: tuple[SolePublisher, SolePublisher]
) -> None:
    topic, (one, _) = topics(1), two
    one.begin()
    one.publish(numbers(topic, *range(300)))
    one.begin()  # (it is the one already)
    one.publish([])
    one.publish(numbers(topic, 300, 301))
    assert read(kafka, topic, 302) == list(range(302))


def test_whoever_was_put_out_writes_nothing_and_may_take_over_again(
    kafka: str, topics: FreshTopics, two: tuple[SolePublisher, SolePublisher]
) -> None:
    topic, (one, other) = topics(1), two
    one.begin()
    one.publish(numbers(topic, 1))
    other.begin()
    other.publish(numbers(topic, 2))
    with pytest.raises(Replaced):
        one.publish(numbers(topic, 1))  # it was paused, and does not know
    other.publish(numbers(topic, 3))
    one.begin()
    one.publish(numbers(topic, 4))
    with pytest.raises(Replaced):
        other.publish(numbers(topic, 3))
    assert read(kafka, topic, 4) == [1, 2, 3, 4]


def test_a_broker_that_is_gone_is_told_of_in_time_and_the_batch_goes_out_when_it_is_back(
    own_kafka: Broker, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sole_publisher, "_PATIENCE", 2_000)
    topic = FreshTopics(own_kafka.bootstrap)(1)
    one = SolePublisher(KafkaSettings(bootstrap_servers=own_kafka.bootstrap), SystemClock(), name=name)
    one.begin()
    one.publish(numbers(topic, 1))
    own_kafka.stop()
    started = time.monotonic()
    with pytest.raises(NotAcknowledged):
        one.publish(numbers(topic, 2))
    with pytest.raises(NotAcknowledged):
        one.begin()
    assert time.monotonic() - started < WAIT
    own_kafka.start()
    one.begin()
    one.publish(numbers(topic, 2))
    assert read(own_kafka.bootstrap, topic, 2) == [1, 2]
    one.close()
