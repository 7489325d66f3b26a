"""Where partitions begin and end at the broker, uncommitted records included: what a watermark or a restore has to
reach."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Literal, TypeAlias

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from consumer.clock import Millis
from consumer.kafka.clients.error_codes import LEADER_CHANGING
from consumer.kafka.clients.retries import retry_while

_REQUEST_TIMEOUT_S = 30.0
_RETRY_PAUSE_S = 0.1

Which: TypeAlias = Literal["earliest", "latest", "newest"]
"""The first offset that a partition still has, the one behind its last record, or that of the newest by its time."""

_SPECS: Mapping[Which, Callable[[], OffsetSpec]] = {
    "earliest": OffsetSpec.earliest,
    "latest": OffsetSpec.latest,
    "newest": OffsetSpec.max_timestamp,
}


def request(
    admin: AdminClient,
    topic: str,
    partitions: Iterable[int],
    which: Which = "latest",
    *,
    timeout_s: float = _REQUEST_TIMEOUT_S,
) -> dict[int, Future[Any]]:
    """Send one request for many partitions and return a future for each, whose result has `.offset` and `.timestamp`.

    The futures raise KafkaException.
    """
    spec = _SPECS[which]()
    specs = {TopicPartition(topic, partition): spec for partition in partitions}
    if not specs:
        return {}
    futures = admin.list_offsets(specs, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=timeout_s)
    return {topic_partition.partition: future for topic_partition, future in futures.items()}


def refresh_leaders(admin: AdminClient, topic: str, timeout_s: float = 1.0) -> None:
    """Have the client look for the partitions' leaders again; call this after a request failed.

    Otherwise the client asks the former leaders for minutes more, and gets FENCED_LEADER_EPOCH each time. Raises
    KafkaException.
    """
    admin.list_topics(topic, timeout=timeout_s)


def fetch(
    admin: AdminClient,
    topic: str,
    partition: int,
    which: Which = "latest",
    *,
    timeout_s: float = _REQUEST_TIMEOUT_S,
) -> int:
    """Return the offset of one partition. Raises KafkaException."""
    return _fetch(admin, topic, [partition], which, timeout_s)[partition]


def fetch_all(admin: AdminClient, topic: str, which: Which = "latest") -> dict[int, int]:
    """Return the offset of every partition of a topic. Raises KafkaException."""
    found = admin.list_topics(topic, timeout=_REQUEST_TIMEOUT_S).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return _fetch(admin, topic, list(found.partitions), which, _REQUEST_TIMEOUT_S)


def newest_timestamps(admin: AdminClient, topic: str, *, timeout_s: float) -> dict[int, Millis | None]:
    """Return when the newest record of each partition was written; None where there is none. Raises KafkaException."""
    partitions = admin.list_topics(topic, timeout=timeout_s).topics[topic].partitions
    futures = request(admin, topic, partitions, "newest", timeout_s=timeout_s)
    found = {partition: int(future.result().timestamp) for partition, future in futures.items()}
    return {partition: written if written > 0 else None for partition, written in found.items()}


def _fetch(admin: AdminClient, topic: str, partitions: list[int], which: Which, timeout_s: float) -> dict[int, int]:
    """Ask until the partitions have leaders: those of a topic that was just created may have none."""

    def ask() -> dict[int, int]:
        futures = request(admin, topic, partitions, which, timeout_s=timeout_s)
        return {partition: int(future.result().offset) for partition, future in futures.items()}

    def pause() -> None:
        admin.poll(_RETRY_PAUSE_S)
        refresh_leaders(admin, topic, timeout_s)

    return retry_while(LEADER_CHANGING, ask, pause)
