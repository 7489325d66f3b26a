"""When a topic was written to last, as the broker says."""

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from consumer.clock import MINUTE, SystemClock
from consumer.kafka.clients.partition_offsets import newest_timestamps
from tests.broker.topics import FreshTopics


def test_newest_record_of_each_partition(kafka: str, topics: FreshTopics) -> None:
    topic = topics(partitions=2)
    admin = AdminClient({"bootstrap.servers": kafka})
    assert newest_timestamps(admin, topic, timeout_s=10) == {0: None, 1: None}
    producer = Producer({"bootstrap.servers": kafka})
    now = SystemClock().now()  # the broker takes no time of another day
    for moment in (now - 3 * MINUTE, now - MINUTE, now - 2 * MINUTE):
        producer.produce(topic, b"x", partition=1, timestamp=moment)
    assert producer.flush(10) == 0
    assert newest_timestamps(admin, topic, timeout_s=10) == {0: None, 1: now - MINUTE}
