"""The embedded broker is one that ordinary clients can talk to."""

from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient

from consumer.demo.broker import QUIET, embedded_broker
from tests.demo.reading import everything


def test_the_topics_asked_for_are_there_with_four_partitions() -> None:
    with embedded_broker(["one", "two"]) as address:
        topics = AdminClient({"bootstrap.servers": address, **QUIET}).list_topics(timeout=10).topics
        assert {name: len(topic.partitions) for name, topic in topics.items()} == {"one": 4, "two": 4}


def test_what_one_client_writes_another_one_reads(broker: str) -> None:
    producer = Producer({"bootstrap.servers": broker, **QUIET})
    problems: list[KafkaError | None] = []
    producer.produce("letters", b"value", b"key", on_delivery=lambda error, message: problems.append(error))
    assert producer.flush(10) == 0
    assert problems == [None]
    assert [(message.key(), message.value()) for message in everything(broker, "letters")] == [(b"key", b"value")]


def test_two_brokers_know_nothing_of_each_other(broker: str) -> None:
    with embedded_broker(["elsewhere"]) as other:
        assert other != broker
        assert "elsewhere" not in AdminClient({"bootstrap.servers": broker, **QUIET}).list_topics(timeout=10).topics
