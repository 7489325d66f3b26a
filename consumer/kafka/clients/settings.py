"""What our Kafka clients share: their settings, and words for when the broker is in trouble."""

from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaError

from consumer.config.kafka import KafkaSettings

LARGEST_RECORD = 10 * 1024 * 1024
"""Bytes. What we read from a topic of any limits must fit on the dead letters' topic, untouched."""

_log = structlog.get_logger()


def client_settings(kafka: KafkaSettings, ours: Mapping[str, object]) -> dict[str, Any]:
    """librdkafka's settings for one client.

    What the user set in `kafka.client` beats librdkafka's defaults and these here, but not `ours`, which say what
    the client is for.
    """
    # librdkafka writes a line to stderr for every attempt to connect; `ClientErrorLog` says it once, in our own log.
    defaults = {"client.id": "lapse", "log_level": 2}
    return {**defaults, **kafka.client, "bootstrap.servers": kafka.bootstrap_servers, **ours}


class ClientErrorLog:
    """Tells the log once that a client has trouble with the broker, and once that it is over."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._told: set[str] = set()
        self._answered = False

    def __bool__(self) -> bool:
        return bool(self._told)

    def error_cb(self, error: KafkaError) -> None:
        """For a client's setting of that name."""
        # Connections come and go, and idle ones do; it is trouble when none is left, which is another error.
        if error.code() != KafkaError._TRANSPORT:
            self.report(error)

    def report(self, error: KafkaError) -> None:
        """An error that passes by itself."""
        self._answered = False
        if error.name() not in self._told:
            self._told.add(error.name())
            _log.warning("kafka_trouble", client=self._client, error=error.name(), detail=error.str())

    def report_answer(self) -> None:
        """The broker did what it was asked. Twice without an error between: clients hear of errors late."""
        if self._told and self._answered:
            self._told.clear()
            _log.info("kafka_well_again", client=self._client)
        self._answered = True
