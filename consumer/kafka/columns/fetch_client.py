"""Reads partitions of a topic by hand, in columns: where to begin is told, nothing is committed, no group is joined."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from consumer.clock import Millis
from consumer.kafka.columns.gathering import CHUNK, Gatherer, MessageColumns
from consumer.kafka.columns.librdkafka import Library

_AHEAD = 10 * CHUNK
"""Messages that are gathered, on a thread of its own, while those before them are worked on."""
_AHEAD_TIMEOUT_MS: Millis = 1


class FetchClient:
    """For one thread. What pauses, seeks and stops does so before the next fetch: nothing gathered earlier of that
    partition is returned any more."""

    def __init__(self, settings: Mapping[str, Any], topic: str) -> None:
        """Raises LibraryUnusable."""
        self._library = Library()
        self._gatherer = Gatherer()
        self._handle = self._library.new_consumer(settings)
        self._topic = self._library.topic_new(self._handle, topic.encode(), None)
        self._queue = self._library.queue_new(self._handle)
        self._positions: dict[int, int] = {}
        self._reading: set[int] = set()
        self._worker = ThreadPoolExecutor(1, "gathering")
        self._ahead: Future[MessageColumns] | None = None

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
        if partition in self._reading:
            self.assign(partition, offset)
        else:
            self._positions[partition] = offset

    def pause(self, partition: int) -> None:
        """Read nothing of a partition until it is resumed, from behind the last record that was returned."""
        if partition in self._reading:
            self._drop_gathered(partition)
            self._check(self._library.consume_stop(self._topic, partition))
            self._reading.remove(partition)

    def resume(self, partition: int) -> None:
        if partition not in self._reading:
            start = self._positions[partition]
            self._check(self._library.consume_start_queue(self._topic, partition, start, self._queue))
            self._reading.add(partition)

    def fetch(self, timeout_ms: Millis) -> MessageColumns:
        """Return what is there, or the first messages that come within the timeout."""
        self._library.poll(self._handle, 0)  # has the client do what it does on our thread, such as to renew a login
        if self._ahead is None:
            columns = self._gatherer.gather(self._queue, timeout_ms, CHUNK)
        else:
            columns, self._ahead = self._ahead.result(), None
        if columns.offsets.size >= CHUNK:  # there is more
            self._ahead = self._worker.submit(self._gatherer.gather, self._queue, _AHEAD_TIMEOUT_MS, _AHEAD)
        for partition in self._reading:
            records = columns.offsets[(columns.partitions == partition) & (columns.errors == 0)]
            if records.size:
                self._positions[partition] = int(records[-1]) + 1
        return columns

    def is_answered(self, timeout_ms: Millis) -> bool:
        """Return whether a broker answers this client."""
        return self._library.knows_brokers(self._handle, self._topic, timeout_ms)

    def close(self) -> None:
        """Stop reading, and close the connections."""
        for partition in list(self._reading):
            self.unassign(partition)
        self._worker.shutdown()
        self._library.queue_destroy(self._queue)
        self._library.topic_destroy(self._topic)
        self._library.destroy(self._handle)

    def _drop_gathered(self, partition: int) -> None:
        """Wait for what is being gathered, which takes milliseconds, and keep only the other partitions' part."""
        if self._ahead is not None:
            columns, self._ahead = self._ahead.result(), Future()
            self._ahead.set_result(columns.where(columns.partitions != partition))

    def _check(self, result: int) -> None:
        if result:
            raise KafkaException(KafkaError(self._library.last_error()))
