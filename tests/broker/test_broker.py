"""The broker that other tests stand on."""

import subprocess
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tests.broker.broker import Broker, NoBroker
from tests.broker.find import own_broker, running_kafka
from tests.broker.java import version_of
from tests.broker.local import guard
from tests.broker.topics import FreshTopics

QUIET = {"log_level": 0}


def write(bootstrap: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "message.timeout.ms": 30_000, **QUIET})
    producer.produce(topic, value)
    assert producer.flush(30) == 0


def first_value(bootstrap: str, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", **QUIET})
    consumer.assign([TopicPartition(topic, 0, 0)])
    [message] = consumer.consume(1, 30)
    consumer.close()
    return message.value()


def test_a_topic_is_there_as_it_was_asked_for(kafka: str, topics: FreshTopics) -> None:
    name = topics(partitions=3)
    found = Producer({"bootstrap.servers": kafka}).list_topics(name, timeout=10).topics[name]
    assert len(found.partitions) == 3


def test_a_broker_that_was_killed_comes_back_with_what_it_had(own_kafka: Broker) -> None:
    FreshTopics(own_kafka.bootstrap).create("letters", 1)
    write(own_kafka.bootstrap, "letters", b"kept")
    own_kafka.kill()
    assert not own_kafka.alive()
    own_kafka.start()
    assert first_value(own_kafka.bootstrap, "letters") == b"kept"


def test_a_paused_broker_is_silent_until_it_goes_on(pausable_kafka: Broker) -> None:
    client = Producer({"bootstrap.servers": pausable_kafka.bootstrap, **QUIET})
    pausable_kafka.pause()
    with pytest.raises(KafkaException):
        client.list_topics(timeout=0.5)
    pausable_kafka.resume()
    assert client.list_topics(timeout=30).brokers


def test_a_given_address_is_taken_before_anything_else() -> None:
    with running_kafka({"LAPSE_TEST_BOOTSTRAP": "elsewhere:9092"}) as address:
        assert address == "elsewhere:9092"


def test_a_machine_without_a_broker_is_told_all_that_it_misses() -> None:
    def no_docker() -> Broker:
        raise NoBroker("no Docker daemon")

    def no_java() -> Broker:
        raise NoBroker("no Java")

    with pytest.raises(NoBroker, match="no Docker daemon; no Java"):
        own_broker([no_docker, no_java])


def test_a_java_that_does_not_run_is_no_java(tmp_path: Path) -> None:
    stub = tmp_path / "java"
    stub.write_text("#!/bin/sh\nexit 1\n")
    stub.chmod(0o755)
    assert version_of(stub) == version_of(tmp_path / "missing") == 0


def test_a_broker_does_not_outlive_the_tests_that_started_it(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    with subprocess.Popen(["sleep", "60"]) as left_behind:
        guarding = guard(left_behind.pid, str(files))
        assert guarding.stdin is not None
        guarding.stdin.close()  # as our death would
        assert left_behind.wait(30) == -9
        guarding.wait(30)
    assert not files.exists()
