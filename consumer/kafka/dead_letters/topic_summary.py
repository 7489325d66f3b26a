"""How much lies on the dead letters' topic, without reading it."""

from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consumer.clock import Millis
from consumer.kafka.clients import partition_offsets

_TIMEOUT_S = 2.0  # for each request; a page waits for it


@dataclass(frozen=True, slots=True)
class TopicSummary:
    """`at_most` counts letters, notes about replayed ones, and marks of transactions; `newest_at` is of the latest."""

    at_most: int
    newest_at: Millis | None


def summarize(admin: AdminClient, topic: str) -> TopicSummary | None:
    """Return what the broker tells of the topic; None where it does not. Blocks its thread for seconds at most."""
    try:
        newest = partition_offsets.newest_timestamps(admin, topic, timeout_s=_TIMEOUT_S)
        ends = partition_offsets.request(admin, topic, newest, "latest", timeout_s=_TIMEOUT_S)
        begins = partition_offsets.request(admin, topic, newest, "earliest", timeout_s=_TIMEOUT_S)
        at_most = sum(ends[number].result().offset - begins[number].result().offset for number in newest)
    except (KafkaException, KeyError):
        return None
    return TopicSummary(at_most, max((at for at in newest.values() if at is not None), default=None))
