"""Errors of Kafka in words for people."""

import pytest
from confluent_kafka import KafkaError

from consumer.kafka.clients.error_codes import in_words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (KafkaError._TRANSPORT, "the broker does not answer: does it run"),
        (KafkaError._TIMED_OUT, "advertised.listeners"),
        (KafkaError._ALL_BROKERS_DOWN, "kafka.bootstrap_servers"),
        (KafkaError._RESOLVE, "is it spelt right in kafka.bootstrap_servers?"),
        (KafkaError._AUTHENTICATION, "check the sasl settings in kafka.client"),
        (KafkaError._SSL, "the ssl settings in kafka.client"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "(SECURITY.md lists them): TOPIC_AUTHORIZATION_FAILED"),
    ],
)
def test_common_errors_name_the_setting_and_not_librdkafka(code: int, words: str) -> None:
    text = in_words(KafkaError(code, "librdkafka: 127.0.0.1:9092: 3 request(s) timed out"))
    assert words in text
    assert "request(s)" not in text


def test_any_other_error_keeps_its_own_text() -> None:
    assert in_words(KafkaError(KafkaError.INVALID_REPLICATION_FACTOR, "too few brokers")) == "too few brokers"
