"""What a consumer group has noted at the broker, seen by somebody who is not a member."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.config.kafka import KafkaSettings
from consumer.kafka.clients.settings import ClientErrorLog, client_settings

_WAIT = 30.0  # seconds for one answer
_BATCH = 1_000
_TURNS = 100
_SETTLING = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """A committed offset, and the mark that was left beside it."""

    offset: int
    ledger_id: str


class GroupAtWork(Exception):
    """The group has members, so nobody else may move its offsets."""


def committed(kafka: KafkaSettings, group: str, topic: str, partitions: Iterable[int]) -> dict[int, CommittedOffset]:
    """By partition, where there is one; asked until it is known who keeps the group, which on a new cluster takes a
    moment. Raises KafkaException.
    """
    wanted = [TopicPartition(topic, number) for number in partitions]
    with _outsider(kafka, group) as consumer:
        for turn in range(_TURNS):
            try:
                spots = consumer.committed(wanted, timeout=_WAIT)
                return {
                    spot.partition: CommittedOffset(spot.offset, spot.metadata or "")
                    for spot in spots
                    if spot.offset >= 0
                }
            except KafkaException as failure:
                if failure.args[0].code() not in _SETTLING or turn == _TURNS - 1:
                    raise
                consumer.poll(0.1)
    raise AssertionError("the last turn returns or raises")


def move_offsets(kafka: KafkaSettings, group: str, topic: str, offsets: Mapping[int, int], mark: str) -> None:
    """Move a group that nobody is a member of. Raises GroupAtWork; KafkaException."""
    spots = [TopicPartition(topic, number, offset, mark) for number, offset in offsets.items()]
    with _outsider(kafka, group) as consumer:
        try:
            done = consumer.commit(offsets=spots, asynchronous=False)
        except KafkaException as failure:
            raise GroupAtWork(failure.args[0].str()) from None
    if failed := [spot.error for spot in done or () if spot.error is not None]:
        raise GroupAtWork(failed[0].str())


def read_all(kafka: KafkaSettings, topic: str, ends: Mapping[int, int], take: Callable[[bytes], None]) -> None:
    """Every value of a topic from its beginning up to these ends. Raises KafkaException."""
    left = {number: end for number, end in ends.items() if end > 0}
    with _outsider(kafka, f"{kafka.group_prefix}-reading") as consumer:
        consumer.assign([TopicPartition(topic, number, 0) for number in left])
        while left:
            for message in consumer.consume(_BATCH, 1.0):
                number, offset = message.partition() or 0, message.offset() or 0
                error = message.error()
                if error is None and (value := message.value()) is not None:
                    take(value)
                if offset + (error is None) >= left.get(number, 0):
                    left.pop(number, None)


@contextmanager
def _outsider(kafka: KafkaSettings, group: str) -> Iterator[Consumer]:
    ours = {
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    }
    consumer = Consumer({**client_settings(kafka, ours), "error_cb": ClientErrorLog(f"a look at {group}").error_cb})
    try:
        yield consumer
    finally:
        consumer.close()
