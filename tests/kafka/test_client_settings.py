"""What `kafka.client` may say of our clients, and what of it has no effect."""

import re
from pathlib import Path

import consumer
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.client_settings import OURS, client_settings, ignored_keys

KAFKA = KafkaSettings(client={"group.id": "mine", "linger.ms": 50, "sasl.username": "lapse", "log_level": 7})


def test_keys_without_effect_are_named() -> None:
    assert ignored_keys(KAFKA) == ["group.id", "linger.ms"]
    assert ignored_keys(KafkaSettings()) == []


def test_what_a_client_is_for_counts_for_more_than_the_file() -> None:
    settings = client_settings(KAFKA, {"group.id": "lapse-detect"})
    assert (settings["group.id"], settings["linger.ms"], settings["log_level"]) == ("lapse-detect", 50, 7)


def test_every_key_that_some_client_sets_is_among_those_that_are_named() -> None:
    texts = [file.read_text() for file in Path(consumer.__file__).parent.rglob("*.py")]
    found = {
        key for text in texts if "client_settings(" in text for key in re.findall(r'"([a-z]+(?:\.[a-z]+)+)": ', text)
    }
    assert found - {"client.id", "socket.timeout.ms", "connections.max.idle.ms"} == OURS - {"acks", "partitioner"}
