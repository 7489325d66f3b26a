"""A member of a consumer group whose records come as columns, without a Python object for each.

The member itself is confluent-kafka's: subscription, rebalances, offsets, and what fences a transaction. Its partitions
stay paused there. A second client reads them, by hand, from the offsets that the member is told.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumer.clock import SECOND, Millis
from consumer.kafka.columns.fetch_client import FetchClient
from consumer.kafka.columns.gathering import MessageColumns
from consumer.kafka.columns.librdkafka import LibraryUnusable

__all__ = ["ColumnConsumer", "LibraryUnusable"]

_OF_THE_GROUP = ("group.", "partition.assignment.", "session.", "heartbeat.", "max.poll.")
_MAX_REPORTS = 100
_FETCH_WAIT_MS: Millis = 20
"""How long a broker holds a fetch when there is nothing new in its partitions: those whose queues were full when it was
sent are not among them, and wait for as long."""


class ColumnConsumer(Consumer):
    """For one thread, as a Consumer is, and for one topic. `fetch` takes the place of `consume`."""

    def __init__(self, settings: Mapping[str, Any], topic: str) -> None:
        """Raises LibraryUnusable."""
        super().__init__(dict(settings))
        without_group = {name: value for name, value in settings.items() if not name.startswith(_OF_THE_GROUP)}
        # The second is what the first was called before there were groups, and what such a client looks at.
        without_group |= {"enable.auto.commit": False, "auto.commit.enable": False, "enable.auto.offset.store": False}
        without_group["fetch.wait.max.ms"] = _FETCH_WAIT_MS
        self._client = FetchClient(without_group, topic)

    def fetch(self, timeout_s: float) -> tuple[list[MessageColumns], list[Message]]:
        """Serve the group, and return records, with whatever else there is as messages with an error."""
        reports, found = self.consume(_MAX_REPORTS, 0), self._client.fetch(max(1, round(timeout_s * SECOND)))
        for place, columns in enumerate(found):
            failed = columns.errors != 0
            if failed.any():
                reports += _messages(columns.where(failed))
                found[place] = columns.where(~failed)
        return found, [message for message in reports if message.error() is not None]

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        super().incremental_assign(list(partitions))
        super().pause(list(partitions))
        for each in partitions:
            self._client.assign(each.partition, each.offset)

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            self._client.unassign(each.partition)
        super().incremental_unassign(list(partitions))

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            self._client.pause(each.partition)

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            self._client.resume(each.partition)

    def seek(self, partition: TopicPartition) -> None:
        self._client.seek(partition.partition, partition.offset)

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Return what the brokers tell. Raises KafkaException also where they tell the second client nothing."""
        found = super().list_topics(topic, timeout)
        if not self._client.is_answered(round(timeout * SECOND)):
            raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        return found

    def close(self) -> None:
        super().close()  # first: it revokes what is assigned
        self._client.close()


def _messages(columns: MessageColumns) -> list[Message]:
    numbers = zip(columns.errors.tolist(), columns.partitions.tolist(), columns.offsets.tolist(), strict=True)
    return [
        Message(error=KafkaError(code, (text or b"").decode(errors="replace")), partition=partition, offset=offset)
        for (code, partition, offset), text in zip(numbers, columns.values, strict=True)
    ]
