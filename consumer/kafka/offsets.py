"""The ends of partitions, uncommitted records included: what a clock or a restore has to reach."""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Literal

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

WAIT = 30.0
"""Seconds to wait for an answer of the broker."""

_TURNS = 100
_SETTLING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.OFFSET_NOT_AVAILABLE,
}


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
    return _settled(admin, topic, [partition], which)[partition]


def ends(admin: AdminClient, topic: str) -> dict[int, int]:
    """The end of every partition of a topic. Raises KafkaException."""
    return _settled(admin, topic, admin.list_topics(topic, timeout=WAIT).topics[topic].partitions, "latest")


def _settled(
    admin: AdminClient, topic: str, partitions: Iterable[int], which: Literal["earliest", "latest"]
) -> dict[int, int]:
    """Ask until the partitions' leaders are known: those of a topic that was just created may not be."""
    numbers = list(partitions)
    for turn in range(_TURNS):
        try:
            return {number: int(end.result().offset) for number, end in ask(admin, topic, numbers, which).items()}
        except KafkaException as failure:
            if failure.args[0].code() not in _SETTLING or turn == _TURNS - 1:
                raise
            admin.poll(0.1)
    raise AssertionError("the last turn returns or raises")
