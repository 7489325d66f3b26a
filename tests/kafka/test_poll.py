"""A poll keeps each partition's records together and in their order, however they came."""

import hypothesis.strategies as st
import numpy as np
from confluent_kafka import Message
from hypothesis import given

from consumer.kafka.poll import Poll

POLLS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=12)
"""Runs: of which partition, and how many records."""


def poll_of(runs: list[tuple[int, int]]) -> tuple[Poll, list[tuple[int, int]]]:
    """The poll, and the partitions and offsets of its records in the order in which they came."""
    came: list[tuple[int, int]] = []
    for number, count in runs:
        first = sum(1 for other, _ in came if other == number)
        came += [(number, 10 * (first + more)) for more in range(count)]
    made = [
        Message(topic="t", partition=number, offset=offset, value=f"{number}/{offset}".encode(), timestamp=(1, offset))
        for number, offset in came
    ]
    return Poll(made), came


def told(poll: Poll) -> list[tuple[int, int]]:
    return [(m.partition(), m.offset()) for m in poll.messages]


@given(POLLS)
def test_each_partitions_records_stand_together_in_their_order(runs: list[tuple[int, int]]) -> None:
    poll, came = poll_of(runs)
    assert len(poll) == len(came)
    ends = 0
    for span in poll.spans():
        own = [(number, offset) for number, offset in came if number == span.number]
        assert told(poll)[span.start : span.stop] == own
        assert (span.start, span.last) == (ends, own[-1][1])
        ends = span.stop
    assert ends == len(came)
    assert poll.values == [f"{number}/{offset}".encode() for number, offset in told(poll)]
    assert np.array_equal(poll.timestamps, [offset for _, offset in told(poll)])


@given(POLLS, st.dictionaries(st.integers(0, 3), st.integers(0, 60)))
def test_only_what_is_ours_and_new_is_read(runs: list[tuple[int, int]], positions: dict[int, int]) -> None:
    poll, came = poll_of(runs)
    new = [(number, offset) for number, offset in came if number in positions and offset >= positions[number]]
    assert sorted(told(poll.news(positions))) == sorted(new)
    assert sorted(told(poll.only(positions))) == sorted(each for each in came if each[0] in positions)
