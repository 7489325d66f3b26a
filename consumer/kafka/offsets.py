"""The ends of partitions, uncommitted records included: what a clock or a restore has to reach."""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Literal

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

WAIT = 30.0
"""Seconds to wait for an answer of the broker."""


def ask(
    admin: AdminClient, topic: str, partitions: Iterable[int], which: Literal["earliest", "latest"] = "latest"
) -> dict[int, Future[Any]]:
    """One request for many partitions, not waited for. A future's result has `.offset`, or it raises KafkaException."""
    spec = OffsetSpec.latest() if which == "latest" else OffsetSpec.earliest()  # type: ignore[no-untyped-call]
    spots = {TopicPartition(topic, partition): spec for partition in partitions}
    if not spots:
        return {}
    asked = admin.list_offsets(spots, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=WAIT)
    return {spot.partition: future for spot, future in asked.items()}


def get(admin: AdminClient, topic: str, partition: int, which: Literal["earliest", "latest"] = "latest") -> int:
    """One end of one partition. Raises KafkaException."""
    return int(ask(admin, topic, [partition], which)[partition].result().offset)
