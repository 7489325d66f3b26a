"""The records of one poll, as a few arrays instead of many objects."""

from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Message: TypeAlias = Any
"""confluent_kafka's own, whose every field may be None by its types and is not where there is no error."""
Longs: TypeAlias = npt.NDArray[np.int64]


class Poll:
    """Records without an error, of any partitions; those of one partition in order."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.partitions: Longs = np.array([m.partition() for m in messages], np.int64)

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def values(self) -> list[bytes | None]:
        return [m.value() for m in self.messages]

    @cached_property
    def timestamps(self) -> Longs:
        """Milliseconds; -1 where unknown."""
        return np.array([m.timestamp()[1] for m in self.messages], np.int64)

    def numbers(self) -> list[int]:
        """The partitions that the records are of."""
        return np.flatnonzero(np.bincount(self.partitions)).tolist() if self.messages else []

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """Each partition with the offsets of its first and its last record."""
        for number in self.numbers():
            places = np.flatnonzero(self.partitions == number)
            yield number, self.messages[places[0]].offset(), self.messages[places[-1]].offset()

    def news(self, positions: Mapping[int, int]) -> "Poll":
        """What is of these partitions and at or behind their positions: a seek may bring some twice."""
        poll = self.only(positions)
        if all(first >= positions[number] for number, first, _ in poll.spans()):
            return poll
        return Poll([m for m in poll.messages if m.offset() >= positions[m.partition()]])

    def only(self, numbers: Container[int]) -> "Poll":
        """The records of these partitions."""
        if all(number in numbers for number in self.numbers()):
            return self
        return Poll([m for m in self.messages if m.partition() in numbers])
