"""What is read of the activity topic at one time: a few arrays and lists instead of many objects."""

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import confluent_kafka
import numpy as np
import numpy.typing as npt

Message: TypeAlias = Any
"""confluent_kafka's own, whose every field may be None by its types and is not where there is no error."""
Longs: TypeAlias = npt.NDArray[np.int64]

_second = itemgetter(1)
_Message: Any = confluent_kafka.Message
"""Its methods are called by the ten thousand, and from here quicker than from each object."""


class Records(NamedTuple):
    """Side by side: offsets, times in milliseconds (-1 where unknown), keys and values."""

    offsets: Longs
    timestamps: Longs
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]


Piece: TypeAlias = tuple[Records, int, int]
"""Some of these records, from one place to before another."""


class Span(NamedTuple):
    """Where one partition's records are in a poll, from `start` to before `stop`."""

    number: int
    start: int
    stop: int


class RecordBatch:
    """Records without an error, of any partitions: one partition's after the other's, and each one's in order."""

    def __init__(self, pieces: Mapping[int, Sequence[Piece]]) -> None:
        """`pieces` are of one partition each."""
        self.records = _joined([piece for each in pieces.values() for piece in each])
        self.spans: list[Span] = []
        stop = 0
        for number, each in pieces.items():
            start, stop = stop, stop + sum(end - begin for _, begin, end in each)
            self.spans.append(Span(number, start, stop))

    def __len__(self) -> int:
        return self.records.offsets.size

    def news(self, positions: Mapping[int, int]) -> "RecordBatch":
        """What is of these partitions and at or behind their positions: a seek may bring some twice."""
        new: dict[int, Sequence[Piece]] = {}
        for number, start, stop in self.spans:
            if number in positions:
                wanted = self.records.offsets[start:stop] >= positions[number]
                new[number] = [(self.records, start + a, start + b) for kept, a, b in _runs(wanted) if kept]
        return self if sum(b - a for each in new.values() for _, a, b in each) == len(self) else RecordBatch(new)

    def only(self, numbers: Container[int]) -> "RecordBatch":
        """The records of these partitions."""
        return RecordBatch({number: [(self.records, a, b)] for number, a, b in self.spans if number in numbers})


class BatchBuilder:
    """Takes what the consumer hands out, a little at a time.

    Every message is looked at while the processor still has it at hand, and let go: many at a time would each be
    fetched from far away, several times. With 50,000 that costs more than to read them from the broker.
    """

    def __init__(self) -> None:
        self._pieces: dict[int, list[Piece]] = {}
        self.ends: dict[int, int] = {}
        """Positions at which a partition's end was reached."""
        self.count = 0

    def add(self, messages: Sequence[Message]) -> None:
        """Messages without an error, behind those that are there."""
        if not messages:
            return
        count = len(messages)
        self.count += count
        numbers = np.fromiter(map(_Message.partition, messages), np.int64, count)
        records = Records(
            np.fromiter(map(_Message.offset, messages), np.int64, count),
            np.fromiter(map(_second, map(_Message.timestamp, messages)), np.int64, count),
            list(map(_Message.key, messages)),
            list(map(_Message.value, messages)),
        )
        for number, start, stop in _runs(numbers):  # what was fetched of one partition, and then of another
            self._pieces.setdefault(number, []).append((records, start, stop))

    def drop(self, numbers: Sequence[int]) -> None:
        """These partitions are no longer ours: should they be so again, they are read anew."""
        for number in numbers:
            self._pieces.pop(number, None)
            self.ends.pop(number, None)

    def build(self) -> RecordBatch:
        return RecordBatch(self._pieces)


def _runs(of: npt.NDArray[Any]) -> Iterator[tuple[int, int, int]]:
    """Each run of equals: its value, where it begins, and where the next one does."""
    begins = [0, *(np.flatnonzero(of[1:] != of[:-1]) + 1).tolist(), of.size]
    for start, stop in pairwise(begins):
        if start < stop:
            yield int(of[start]), start, stop


def _joined(pieces: Sequence[Piece]) -> Records:
    if not pieces:
        return Records(np.empty(0, np.int64), np.empty(0, np.int64), [], [])
    if len(pieces) == 1:
        records, start, stop = pieces[0]
        offsets, timestamps, keys, values = records
        return Records(offsets[start:stop], timestamps[start:stop], keys[start:stop], values[start:stop])
    return Records(
        np.concatenate([records.offsets[start:stop] for records, start, stop in pieces]),
        np.concatenate([records.timestamps[start:stop] for records, start, stop in pieces]),
        [key for records, start, stop in pieces for key in records.keys[start:stop]],
        [value for records, start, stop in pieces for value in records.values[start:stop]],
    )
