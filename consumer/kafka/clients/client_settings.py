"""The settings that all our Kafka clients have in common."""

from collections.abc import Mapping
from typing import Any

from consumer.config.sections.kafka import KafkaSettings

MAX_RECORD_BYTES = 10 * 1024 * 1024
"""A record from a topic with any limits must fit onto the dead letters' topic, unchanged."""


OURS = frozenset(
    [
        "acks",
        "allow.auto.create.topics",
        "auto.offset.reset",
        "bootstrap.servers",
        "check.crcs",
        "compression.type",
        "delivery.report.only.error",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "fetch.queue.backoff.ms",
        "fetch.wait.max.ms",
        "group.id",
        "group.instance.id",
        "isolation.level",
        "linger.ms",
        "message.max.bytes",
        "message.timeout.ms",
        "partition.assignment.strategy",
        "partitioner",
        "queue.buffering.max.messages",
        "queued.max.messages.kbytes",
        "queued.min.messages",
        "transaction.timeout.ms",
        "transactional.id",
    ]
)
"""What some client of ours sets itself."""


def ignored_keys(kafka: KafkaSettings) -> list[str]:
    """Return the keys of `kafka.client` that have no effect, at least not on all clients."""
    return sorted(OURS & kafka.client.keys())


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
