"""The committed offsets of a consumer group, read and moved by a client that is not a member of it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.client_error_log import ClientErrorLog
from consumer.kafka.clients.client_settings import client_settings
from consumer.kafka.clients.error_codes import COORDINATOR_LOADING, TIMED_OUT, UNAUTHORIZED, BrokerRefused, refusal
from consumer.kafka.clients.message_position import position_behind
from consumer.kafka.clients.retries import retry_while

_REQUEST_TIMEOUT_S = 30.0
_REFUSED_AFTER_S = 2.0  # a coordinator that has not answered by then may be one that we may not ask for
_CONSUME_TIMEOUT_S = 1.0
_RETRY_PAUSE_S = 0.1
_CONSUME_CHUNK = 1_000  # messages


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """A committed offset, and the id of the ledger that was committed as its metadata."""

    offset: int
    ledger_id: str


class GroupAtWork(Exception):
    """The group has members, so nobody else may move its offsets."""


def committed(kafka: KafkaSettings, group: str, topic: str, partitions: Iterable[int]) -> dict[int, CommittedOffset]:
    """Return the committed offsets by partition, where there are any. Raises BrokerRefused; KafkaException.

    Asks until the group's coordinator is known, which takes a moment on a new cluster.
    """
    wanted = [TopicPartition(topic, partition) for partition in partitions]
    with _outside_consumer(kafka, group) as consumer:
        try:
            positions = retry_while(
                COORDINATOR_LOADING,
                lambda: _ask(consumer, wanted),
                pause=lambda: consumer.poll(_RETRY_PAUSE_S),
            )
        except KafkaException as failure:
            if failure.args[0].code() not in TIMED_OUT | UNAUTHORIZED:
                raise
            raise BrokerRefused(
                f"group {group}: its offsets cannot be read: may the user in kafka.client Read and Describe it"
                " (SECURITY.md lists the rights), and does the broker answer?"
            ) from None
    return {each.partition: CommittedOffset(each.offset, each.metadata or "") for each in positions if each.offset >= 0}


def _ask(consumer: Consumer, wanted: list[TopicPartition]) -> list[TopicPartition]:
    """Raises KafkaException.

    librdkafka waits for the coordinator of a group that it may not ask about; why, it tells only who polls.
    """
    try:
        return consumer.committed(wanted, timeout=_REFUSED_AFTER_S)
    except KafkaException as failure:
        if failure.args[0].code() not in TIMED_OUT:
            raise
    told = consumer.poll(0)
    if told is not None and (error := told.error()) is not None and error.code() in UNAUTHORIZED:
        raise KafkaException(error)
    return consumer.committed(wanted, timeout=_REQUEST_TIMEOUT_S)


def move(kafka: KafkaSettings, group: str, topic: str, offsets: Mapping[int, int], metadata: str) -> None:
    """Commit these offsets for a group that has no members. Raises GroupAtWork; KafkaException."""
    positions = [TopicPartition(topic, partition, offset, metadata) for partition, offset in offsets.items()]
    with _outside_consumer(kafka, group) as consumer:
        try:
            done = consumer.commit(offsets=positions, asynchronous=False)
        except KafkaException as failure:
            raise GroupAtWork(failure.args[0].str()) from None
    if failed := [position.error for position in done or () if position.error is not None]:
        raise GroupAtWork(failed[0].str())


def read_between(
    kafka: KafkaSettings, topic: str, begins: Mapping[int, int], ends: Mapping[int, int]
) -> Iterator[list[Message]]:
    """Yield the committed records of a topic between these offsets, in batches.

    The user in kafka.client needs no right to a group for it. Raises BrokerRefused where it may not read the topic;
    KafkaException for another error that does not pass by itself.
    """
    unread = {partition: end for partition, end in ends.items() if end > begins.get(partition, 0)}
    if not unread:
        return
    with _outside_consumer(kafka, f"{kafka.group_prefix}-reading") as consumer:
        consumer.assign([TopicPartition(topic, partition, begins.get(partition, 0)) for partition in unread])
        while unread:
            batch = []
            for message in consumer.consume(_CONSUME_CHUNK, _CONSUME_TIMEOUT_S):
                error = message.error()
                # librdkafka looks for the group's coordinator, whom a reader of given positions does not need.
                if error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                    continue
                if error is not None and error.code() in UNAUTHORIZED:
                    raise refusal(error, f"topic {topic}")
                partition, position = message.partition() or 0, position_behind(message)
                if error is None:
                    batch.append(message)
                if position >= unread.get(partition, 0):
                    unread.pop(partition, None)
            if batch:
                yield batch


@contextmanager
def _outside_consumer(kafka: KafkaSettings, group: str) -> Iterator[Consumer]:
    """Yield a consumer that names the group and never joins it."""
    ours = {
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    }
    error_log = ClientErrorLog(f"offsets of {group}")
    consumer = Consumer({**client_settings(kafka, ours), "error_cb": error_log.error_cb})
    try:
        yield consumer
    finally:
        consumer.close()
