"""A queue of librdkafka's for each partition, and which of them are emptied next.

Of partitions that lag one is read after the other, a long stretch of each: then a batch has few tables to go to, and a
commit has fewer rows to write, since more of a stretch's events are of rows that changed already. Whoever does not lag
is read at once.
"""

import ctypes
import threading
from collections.abc import Collection, Mapping

from consumer.clock import SECOND, Millis
from consumer.kafka.columns.gathering import CHUNK, Flag, Gatherer, MessageColumns
from consumer.kafka.columns.librdkafka import Library

_MOST = 10 * CHUNK
"""Messages gathered of a partition at a time."""
_STRETCH = 10 * _MOST
"""Messages of one partition that lags, before it is the turn of the next."""
_PATIENCE_MS: Millis = 2
"""How long to wait for the next message of a partition that lags."""
_MOMENT_MS: Millis = 10
"""How long to wait where nothing is there, so that of hundreds of partitions not each message is gathered by itself."""


class PartitionQueues:
    """For one thread at a time."""

    def __init__(self, library: Library, handle: int, topic: int, topic_name: str) -> None:
        self._library = library
        self._handle = handle
        self._topic = topic
        self._topic_name = topic_name.encode()
        self._gatherer = Gatherer()
        self._queues: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._turn = LaggingTurn()
        self.lag = False
        """Whether a partition lagged when messages were gathered last."""
        self._never = threading.Event()

    def __contains__(self, partition: int) -> bool:
        return partition in self._queues

    def open(self, partition: int, offset: int) -> int:
        """Read a partition from this offset on. Returns 0, or -1 as librdkafka does."""
        queue = self._library.queue_new(self._handle)
        failed: int = self._library.consume_start_queue(self._topic, partition, offset, queue)
        if failed:
            self._library.queue_destroy(queue)
        else:
            self._queues[partition], self._positions[partition] = queue, offset
        return failed

    def close(self, partition: int) -> int:
        """Read a partition no more. Returns 0, or -1 as librdkafka does."""
        failed: int = self._library.consume_stop(self._topic, partition)
        self._library.queue_destroy(self._queues.pop(partition))
        del self._positions[partition]
        return failed

    def close_all(self) -> None:
        for partition in list(self._queues):
            self.close(partition)

    def gather(self, timeout_ms: Millis, wanted: Flag) -> list[MessageColumns]:
        """Return what is there, each of one partition, or what comes within a moment, or the timeout; of one that lags
        more, until it is `wanted`."""
        found = self._gather_filled(wanted)
        if not found and timeout_ms > 0:
            self._never.wait(min(timeout_ms, _MOMENT_MS) / SECOND)
            found = self._gather_filled(wanted)
        return found

    def _gather_filled(self, wanted: Flag) -> list[MessageColumns]:
        filled = [partition for partition, queue in self._queues.items() if self._library.queue_length(queue)]
        if not filled:
            return []
        lags, found = self._lags(), list[MessageColumns]()
        lagging = _lagging(lags)
        self.lag = bool(lagging)
        for partition in self._turn.next(filled, lags):
            patience_ms = _PATIENCE_MS if partition in lagging else 0
            columns = self._gatherer.gather(self._queues[partition], patience_ms, _MOST, wanted)
            if columns.offsets.size:
                found.append(columns)
                # Also of its end that was reached: behind it there may be nothing but what was aborted.
                self._positions[partition] = int(columns.offsets[-1]) + 1
            if partition in lagging:
                self._turn.took(columns.offsets.size)
        return found

    def _lags(self) -> dict[int, int]:
        """Return how many offsets lie behind what was gathered of each partition, as its last fetch told."""
        low, high, lags = ctypes.c_int64(), ctypes.c_int64(), {}
        for partition, position in self._positions.items():
            told = ctypes.byref(low), ctypes.byref(high)
            self._library.get_watermark_offsets(self._handle, self._topic_name, partition, *told)
            lags[partition] = high.value - position
        return lags


def _lagging(lags: Mapping[int, int]) -> set[int]:
    """Return the partitions that lag by a chunk of messages, or more."""
    return {partition for partition, lag in lags.items() if lag >= CHUNK}


class LaggingTurn:
    """Whose turn it is of the partitions that lag."""

    def __init__(self) -> None:
        self._current = -1
        self._left = 0

    def next(self, filled: Collection[int], lags: Mapping[int, int]) -> list[int]:
        """Return which of the `filled` to empty: those that do not lag, and the one of the others whose turn it is."""
        lagging = sorted(_lagging(lags).intersection(filled))
        if lagging and (self._left <= 0 or self._current not in lagging):
            self._current = next((partition for partition in lagging if partition > self._current), lagging[0])
            self._left = _STRETCH
        return [partition for partition in filled if partition not in lagging or partition == self._current]

    def took(self, count: int) -> None:
        """Note how many messages were gathered of it."""
        self._left -= count
