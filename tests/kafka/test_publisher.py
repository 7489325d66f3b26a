"""What was published is on its topic; what may not be there raises."""

from itertools import groupby

import pytest
import structlog
from confluent_kafka import Consumer, TopicPartition

from consumer.clock import SECOND, Clock, Millis, SystemClock
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import NotAcknowledged, Publisher, PublishFailed, Refused
from tests.broker.broker import Broker
from tests.broker.topics import FreshTopics
from tests.kafka.consumer_setup import TIMEOUT_S

CLOCK: Clock = SystemClock()


def make_publisher(bootstrap: str, *, timeout_ms: Millis = 30 * SECOND, **client: str | int) -> Publisher:
    settings: dict[str, str | int | float | bool] = {name.replace("_", "."): value for name, value in client.items()}
    kafka = KafkaSettings(bootstrap_servers=bootstrap, client=settings)
    return Publisher(kafka, CLOCK, name="test", timeout_ms=timeout_ms)


def record(topic: str, key: bytes | None, value: bytes | None) -> Output:
    return Output(topic, -1, key, value)


def values(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    """The first records of the topic's first partition, and any that follow them at once."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = consumer.consume(count, TIMEOUT_S) + consumer.consume(1, 0.2)
    consumer.close()
    return [message.value() for message in found]


def test_publish_returns_when_everything_is_on_its_topic_in_order(kafka: str, topics: FreshTopics) -> None:
    here, there = topics(1), topics(1)
    numbers = [str(n).encode() for n in range(1_000)]
    publisher = make_publisher(kafka)
    publisher.publish([record(here if int(n) % 2 else there, b"key", n) for n in numbers])
    publisher.publish([record(here, None, None)])
    publisher.publish([])
    publisher.close()
    assert values(kafka, here, 501) == [*numbers[1::2], None]
    assert values(kafka, there, 500) == numbers[::2]


def test_publishes_more_than_the_client_can_queue(kafka: str, topics: FreshTopics) -> None:
    topic = topics(1)
    publisher = make_publisher(kafka, queue_buffering_max_messages=10)
    publisher.publish([record(topic, None, str(n).encode()) for n in range(100)])
    publisher.close()
    assert len(values(kafka, topic, 100)) == 100


def test_writes_partition_and_headers_as_given(kafka: str, topics: FreshTopics) -> None:
    topic = topics(3)
    publisher = make_publisher(kafka)
    publisher.publish([Output(topic, 2, b"key", b"value", [("why", b"because")])])
    publisher.close()
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, 2, 0)])
    [message] = consumer.consume(1, TIMEOUT_S)
    consumer.close()
    assert (message.key(), message.value(), message.headers()) == (b"key", b"value", [("why", b"because")])


def test_absent_topic_is_refused_by_name(kafka: str) -> None:
    publisher = make_publisher(kafka, topic_metadata_propagation_max_ms=100)
    with pytest.raises(Refused, match="the topic nowhere is not there"):
        publisher.publish([record("nowhere", None, b"x")])
    publisher.close()


@pytest.mark.parametrize("size", [2_000, 11 * 1024 * 1024], ids=["topic", "client"])
def test_too_large_record_is_refused_and_the_next_one_published(kafka: str, topics: FreshTopics, size: int) -> None:
    topic = topics(1, config={"max.message.bytes": "1000"})
    publisher = make_publisher(kafka)
    with pytest.raises(Refused, match=topic):
        publisher.publish([record(topic, None, b"x" * size)])
    publisher.publish([record(topic, None, b"small")])
    publisher.close()
    assert values(kafka, topic, 1) == [b"small"]


def test_silent_broker_is_not_acknowledged_and_logged_once(own_kafka: Broker) -> None:
    topic = FreshTopics(own_kafka.bootstrap)(1)
    publisher = make_publisher(own_kafka.bootstrap, timeout_ms=2 * SECOND)
    publisher.publish([record(topic, None, b"one")])
    with structlog.testing.capture_logs() as logged:
        own_kafka.kill()
        for _ in range(2):
            with pytest.raises(NotAcknowledged, match=topic):
                publisher.publish([record(topic, None, b"never")])
        own_kafka.start()
        publish_until_acknowledged(publisher, topic, b"two")
        publisher.publish([record(topic, None, b"three")])
    publisher.close()
    found = [value for value, _ in groupby(values(own_kafka.bootstrap, topic, 3))]  # an attempt may repeat "two"
    assert found == [b"one", b"two", b"three"], "what was purged from the queue never arrives later"
    events = [line["event"] for line in logged]
    assert events.count("kafka_client_recovered") == 1


def publish_until_acknowledged(publisher: Publisher, topic: str, value: bytes) -> None:
    for _ in range(10):
        try:
            publisher.publish([record(topic, None, value)])
        except PublishFailed:
            continue
        return
    pytest.fail("the broker is back, and nothing can be published")
