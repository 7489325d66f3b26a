"""When a topic was written to last, as the broker says."""

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from consumer.clock import MINUTE, SystemClock
from consumer.kafka.clients.error_codes import LEADER_CHANGING
from consumer.kafka.clients.partition_offsets import newest_timestamps
from consumer.kafka.clients.retries import retry_while
from tests.broker.topics import FreshTopics


def test_newest_record_of_each_partition(kafka: str, topics: FreshTopics) -> None:
    topic = topics(partitions=2)
    admin = AdminClient({"bootstrap.servers": kafka})

    def ask() -> dict[int, int | None]:
        return newest_timestamps(admin, topic, timeout_s=60)

    def newest() -> dict[int, int | None]:  # a new topic's partitions may have no leader for a moment
        return retry_while(LEADER_CHANGING, ask, lambda: admin.poll(0.1))

    assert newest() == {0: None, 1: None}
    producer = Producer({"bootstrap.servers": kafka})
    now = SystemClock().now()  # the broker takes no time of another day
    for moment in (now - 3 * MINUTE, now - MINUTE, now - 2 * MINUTE):
        producer.produce(topic, b"x", partition=1, timestamp=moment)
    assert producer.flush(60) == 0
    assert newest() == {0: None, 1: now - MINUTE}
