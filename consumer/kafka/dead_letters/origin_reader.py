"""Finds the records that dead letters name, where they were read."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from confluent_kafka import Consumer, KafkaError, TopicPartition

from consumer.kafka.clients.message_position import position_behind
from consumer.kafka.dead_letters.topic_reader import Message, Origin, StillOpen

_POLL_TIMEOUT_S = 0.1
_MAX_EMPTY_POLLS = 300  # half a minute
_READ_OVER = 1_000
"""Records between two that are wanted are read over, if they are not more; else the second is sought."""


def find(consumer: Consumer, origins: Iterable[Origin]) -> Iterator[tuple[Origin, Message]]:
    """Yield each of these places, with its record, at which there is a committed one.

    Raises:
        StillOpen: the topic cannot be read up to there.
        KafkaException: the broker refuses.
    """
    ordered = sorted(set(origins), key=lambda each: (each.topic, each.partition, each.offset))
    for (topic, partition), some in groupby(ordered, key=lambda each: (each.topic, each.partition)):
        yield from _find_in(consumer, TopicPartition(topic, partition), list(some))


def _find_in(
    consumer: Consumer, topic_partition: TopicPartition, origins: list[Origin]
) -> Iterator[tuple[Origin, Message]]:
    position, empty_polls = -1, 0
    for origin in origins:
        if position < 0 or origin.offset - position > _READ_OVER:
            position = origin.offset
            consumer.assign([TopicPartition(topic_partition.topic, topic_partition.partition, position)])
        while position <= origin.offset:
            message = consumer.poll(_POLL_TIMEOUT_S)
            empty_polls = empty_polls + 1 if message is None else 0
            if empty_polls > _MAX_EMPTY_POLLS:
                where = f"{topic_partition.topic}[{topic_partition.partition}]"
                raise StillOpen(f"{where} cannot be read up to offset {origin.offset}: try again later")
            if message is None:
                continue
            position, error = max(position, position_behind(message)), message.error()
            if error is None and message.offset() == origin.offset:
                yield origin, message
            elif error is not None and error.code() == KafkaError._PARTITION_EOF and position <= origin.offset:
                return
