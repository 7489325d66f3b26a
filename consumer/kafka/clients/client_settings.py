"""The settings that all our Kafka clients have in common."""

from collections.abc import Mapping
from typing import Any

from consumer.config.kafka import KafkaSettings

MAX_RECORD_BYTES = 10 * 1024 * 1024
"""A record from a topic with any limits must fit onto the dead letters' topic, unchanged."""


def client_settings(kafka: KafkaSettings, ours: Mapping[str, object]) -> dict[str, Any]:
    """Return librdkafka's settings for one client.

    The user's `kafka.client` overrides librdkafka's defaults and those below, but not `ours`, which say what the
    client is for.
    """
    # librdkafka writes a line to stderr at every attempt to connect; ClientErrorLog reports it once, in our own log.
    defaults = {"client.id": "lapse", "log_level": 2}
    always = {
        "bootstrap.servers": kafka.bootstrap_servers,
        # Else whoever asks about a topic that was deleted, or writes to it, makes it again with the broker's defaults.
        "allow.auto.create.topics": False,
    }
    return {**defaults, **kafka.client, **always, **ours}
