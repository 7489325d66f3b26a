"""The records of one poll, as a few arrays instead of many objects."""

from collections.abc import Container, Mapping, Sequence
from functools import cached_property
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


class Span(NamedTuple):
    """Where one partition's records are in a poll, from `start` to before `stop`, and the last one's offset."""

    number: int
    start: int
    stop: int
    last: int


class Poll:
    """Records without an error, of any partitions: one partition's after the other's, and each one's in order."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages, self._places = _by_partition(messages)

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def values(self) -> list[bytes | None]:
        return list(map(_Message.value, self.messages))

    @cached_property
    def timestamps(self) -> Longs:
        """Milliseconds; -1 where unknown."""
        return np.fromiter(map(_second, map(_Message.timestamp, self.messages)), np.int64, len(self.messages))

    def spans(self) -> list[Span]:
        """By partition."""
        return [Span(number, *place, self.messages[place[1] - 1].offset()) for number, place in self._places.items()]

    def news(self, positions: Mapping[int, int]) -> "Poll":
        """What is of these partitions and at or behind their positions: a seek may bring some twice."""
        poll = self.only(positions)
        if all(poll.messages[span.start].offset() >= positions[span.number] for span in poll.spans()):
            return poll
        return Poll([m for m in poll.messages if m.offset() >= positions[m.partition()]])

    def only(self, numbers: Container[int]) -> "Poll":
        """The records of these partitions."""
        if all(number in numbers for number in self._places):
            return self
        return Poll([m for m in self.messages if m.partition() in numbers])


def _by_partition(messages: Sequence[Message]) -> tuple[Sequence[Message], dict[int, tuple[int, int]]]:
    """The messages in the order of their partitions, and where each one's begin and end.

    They come in runs: what was fetched of one partition, and then of another.
    """
    if not len(messages):
        return messages, {}
    numbers = np.fromiter(map(_Message.partition, messages), np.int64, len(messages))
    begins = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist()]
    runs: dict[int, list[tuple[int, int]]] = {}
    for start, stop in zip(begins, [*begins[1:], len(messages)], strict=True):
        runs.setdefault(int(numbers[start]), []).append((start, stop))
    if len(runs) == len(begins):
        return messages, {number: run for number, (run,) in runs.items()}
    ordered: list[Message] = []
    places: dict[int, tuple[int, int]] = {}
    for number, spans in runs.items():
        first = len(ordered)
        for start, stop in spans:
            ordered += messages[start:stop]
        places[number] = first, len(ordered)
    return ordered, places
