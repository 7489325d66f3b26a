"""Reads partitions of a topic by hand, in columns: where to begin is told, nothing is committed, no group is joined."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException

from consumer.clock import Millis
from consumer.kafka.columns.gathering import AT_ONCE, MessageColumns
from consumer.kafka.columns.librdkafka import Library
from consumer.kafka.columns.partition_queues import PartitionQueues


class FetchClient:
    """For one thread. What pauses, seeks and stops does so before the next fetch: nothing gathered earlier of that
    partition is returned any more."""

    def __init__(self, settings: Mapping[str, Any], topic: str) -> None:
        """Raises LibraryUnusable."""
        self._library = Library()
        self._handle = self._library.new_consumer(settings)
        self._topic = self._library.topic_new(self._handle, topic.encode(), None)
        self._queues = PartitionQueues(self._library, self._handle, self._topic, topic)
        self._positions: dict[int, int] = {}
        self._worker = ThreadPoolExecutor(1, "gathering")
        self._ahead: Future[list[MessageColumns]] | None = None
        self._wanted = np.zeros(1, np.bool_)
        """Whether what is being gathered is waited for."""
        self._gathered: list[MessageColumns] = []
        """Each of one partition."""

    def assign(self, partition: int, offset: int) -> None:
        """Read a partition from this offset on."""
        self.pause(partition)
        self._positions[partition] = offset
        self.resume(partition)

    def unassign(self, partition: int) -> None:
        """Forget a partition."""
        self.pause(partition)
        self._positions.pop(partition, None)

    def seek(self, partition: int, offset: int) -> None:
        """Go on from this offset, once the partition is read again if it is paused."""
        if partition in self._queues:
            self.assign(partition, offset)
        else:
            self._positions[partition] = offset

    def pause(self, partition: int) -> None:
        """Read nothing of a partition until it is resumed, from behind the last record that was returned."""
        self._wait_for_gathering()
        if partition in self._queues:
            self._gathered = [columns for columns in self._gathered if columns.partitions[0] != partition]
            self._check(self._queues.close(partition))

    def resume(self, partition: int) -> None:
        self._wait_for_gathering()
        if partition not in self._queues:
            self._check(self._queues.open(partition, self._positions[partition]))

    def fetch(self, timeout_ms: Millis) -> list[MessageColumns]:
        """Return what is there, each of one partition, or what comes within a moment, or the timeout."""
        self._library.poll(self._handle, 0)  # has the client do what it does on our thread, such as to renew a login
        self._wait_for_gathering()
        found, self._gathered = self._gathered or self._queues.gather(timeout_ms, AT_ONCE), []
        if found and self._queues.lag:
            self._wanted[0] = False
            self._ahead = self._worker.submit(self._queues.gather, 0, self._wanted)
        for columns in found:
            if (records := columns.offsets[columns.errors == 0]).size:
                self._positions[int(columns.partitions[0])] = int(records[-1]) + 1
        return found

    def is_answered(self, timeout_ms: Millis) -> bool:
        """Return whether a broker answers this client."""
        return self._library.knows_brokers(self._handle, self._topic, timeout_ms)

    def close(self) -> None:
        """Stop reading, and close the connections."""
        self._wait_for_gathering()
        self._worker.shutdown()
        self._queues.close_all()
        self._library.topic_destroy(self._topic)
        self._library.destroy(self._handle)

    def _wait_for_gathering(self) -> None:
        """Wait for what is being gathered, which takes milliseconds."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            self._wanted[0] = True
            self._gathered += ahead.result()

    def _check(self, result: int) -> None:
        if result:
            raise KafkaException(KafkaError(self._library.last_error()))
