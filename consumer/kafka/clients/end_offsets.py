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
    KafkaError._NOENT,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.OFFSET_NOT_AVAILABLE,
}


def ask(
    admin: AdminClient,
    topic: str,
    partitions: Iterable[int],
    which: Literal["earliest", "latest"] = "latest",
    *,
    patience: float = WAIT,
) -> dict[int, Future[Any]]:
    """One request for many partitions, not waited for. A future's result has `.offset`, or it raises KafkaException.

    `patience` is in seconds.
    """
    spec = OffsetSpec.latest() if which == "latest" else OffsetSpec.earliest()  # type: ignore[no-untyped-call]
    spots = {TopicPartition(topic, partition): spec for partition in partitions}
    if not spots:
        return {}
    asked = admin.list_offsets(spots, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=patience)
    return {spot.partition: future for spot, future in asked.items()}


def find_leaders(admin: AdminClient, topic: str, patience: float = 1.0) -> None:
    """To be called after a question failed: until somebody asks, the client goes on asking the leaders that were, for
    minutes, and is told FENCED_LEADER_EPOCH each time. Raises KafkaException.
    """
    admin.list_topics(topic, timeout=patience)


def get(
    admin: AdminClient,
    topic: str,
    partition: int,
    which: Literal["earliest", "latest"] = "latest",
    *,
    patience: float = WAIT,
) -> int:
    """One end of one partition. Raises KafkaException."""
    return _settled(admin, topic, [partition], which, patience)[partition]


def ends(admin: AdminClient, topic: str, which: Literal["earliest", "latest"] = "latest") -> dict[int, int]:
    """One end of every partition of a topic. Raises KafkaException."""
    return _settled(admin, topic, admin.list_topics(topic, timeout=WAIT).topics[topic].partitions, which, WAIT)


def _settled(
    admin: AdminClient, topic: str, partitions: Iterable[int], which: Literal["earliest", "latest"], patience: float
) -> dict[int, int]:
    """Ask until the partitions' leaders are known: those of a topic that was just created may not be."""
    numbers = list(partitions)
    for turn in range(_TURNS):
        try:
            asked = ask(admin, topic, numbers, which, patience=patience)
            return {number: int(end.result().offset) for number, end in asked.items()}
        except KafkaException as failure:
            if failure.args[0].code() not in _SETTLING or turn == _TURNS - 1:
                raise
            admin.poll(0.1)
            find_leaders(admin, topic, patience)
    raise AssertionError("the last turn returns or raises")
