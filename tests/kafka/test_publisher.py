"""What was published is there; what is not certain to be there is said to be so."""

from itertools import groupby

import pytest
import structlog
from confluent_kafka import Consumer, TopicPartition

from consumer.clock import SECOND, Clock, SystemClock
from consumer.config.settings import KafkaSettings
from consumer.kafka.clients.publisher import NotAcknowledged, Publisher, PublishFailed, Refused
from consumer.kafka.clients.output import Output
from tests.broker.broker import Broker
from tests.broker.topics import FreshTopics

from .reading import WAIT

CLOCK: Clock = SystemClock()


def publisher(bootstrap: str, *, patience: int = 30 * SECOND, **client: str | int) -> Publisher:
    settings: dict[str, str | int | float | bool] = {name.replace("_", "."): value for name, value in client.items()}
    return Publisher(KafkaSettings(bootstrap_servers=bootstrap, client=settings), CLOCK, name="test", patience=patience)


def values(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    """The first records of the topic's first partition, and any that follow them at once."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = consumer.consume(count, WAIT) + consumer.consume(1, 0.2)
    consumer.close()
    return [message.value() for message in found]


def test_everything_is_on_its_topic_in_order_when_publish_returns(kafka: str, topics: FreshTopics) -> None:
    here, there = topics(1), topics(1)
    numbers = [str(n).encode() for n in range(1_000)]
    publishing = publisher(kafka)
    publishing.publish([(here if int(n) % 2 else there, b"key", n) for n in numbers])
    publishing.publish([(here, None, None)])
    publishing.publish([])
    publishing.close()
    assert values(kafka, here, 501) == [*numbers[1::2], None]
    assert values(kafka, there, 500) == numbers[::2]


def test_more_than_the_client_can_queue_is_published_all_the_same(kafka: str, topics: FreshTopics) -> None:
    topic = topics(1)
    publishing = publisher(kafka, queue_buffering_max_messages=10)
    publishing.publish([(topic, None, str(n).encode()) for n in range(100)])
    publishing.close()
    assert len(values(kafka, topic, 100)) == 100


def test_partition_and_headers_are_written_as_they_are_given(kafka: str, topics: FreshTopics) -> None:
    topic = topics(3)
    publishing = publisher(kafka)
    publishing.write([Output(topic, 2, b"key", b"value", [("why", b"because")])])
    publishing.close()
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, 2, 0)])
    [message] = consumer.consume(1, WAIT)
    consumer.close()
    assert (message.key(), message.value(), message.headers()) == (b"key", b"value", [("why", b"because")])


def test_a_topic_that_is_not_there_is_refused_by_name(kafka: str) -> None:
    publishing = publisher(kafka, topic_metadata_propagation_max_ms=100)
    with pytest.raises(Refused, match="the topic nowhere is not there"):
        publishing.publish([("nowhere", None, b"x")])
    publishing.close()


@pytest.mark.parametrize("size", [2_000, 11 * 1024 * 1024], ids=["for the topic", "for the client"])
def test_a_record_that_is_too_large_is_refused_and_the_publisher_still_works(
    kafka: str, topics: FreshTopics, size: int
) -> None:
    topic = topics(1, config={"max.message.bytes": "1000"})
    publishing = publisher(kafka)
    with pytest.raises(Refused, match=topic):
        publishing.publish([(topic, None, b"x" * size)])
    publishing.publish([(topic, None, b"small")])
    publishing.close()
    assert values(kafka, topic, 1) == [b"small"]


def test_a_broker_that_is_silent_for_too_long_leaves_it_open_and_is_told_of_once(own_kafka: Broker) -> None:
    topic = FreshTopics(own_kafka.bootstrap)(1)
    publishing = publisher(own_kafka.bootstrap, patience=2 * SECOND)
    publishing.publish([(topic, None, b"one")])
    with structlog.testing.capture_logs() as said:
        own_kafka.kill()
        for _ in range(2):
            with pytest.raises(NotAcknowledged, match=topic):
                publishing.publish([(topic, None, b"never")])
        own_kafka.start()
        publish_until_it_works(publishing, topic, b"two")
        publishing.publish([(topic, None, b"three")])
    publishing.close()
    found = [value for value, _ in groupby(values(own_kafka.bootstrap, topic, 3))]  # (an attempt may repeat "two")
    assert found == [b"one", b"two", b"three"], "what was given up in the queue never comes later"
    events = [line["event"] for line in said]
    assert events.count("kafka_well_again") == 1


def publish_until_it_works(publishing: Publisher, topic: str, value: bytes) -> None:
    for _ in range(10):
        try:
            publishing.publish([(topic, None, value)])
        except PublishFailed:
            continue
        return
    pytest.fail("the broker is back, and nothing can be published")
