"""A poll keeps each partition's records together and in their order, however they came."""

import hypothesis.strategies as st
import numpy as np
from confluent_kafka import Message
from hypothesis import given

from consumer.kafka.detect_loop.batch_builder import BatchBuilder, RecordBatch

RUNS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=6)
"""Of which partition, and how many records."""
POLLS = st.lists(RUNS, max_size=4)
"""What the consumer hands out, one time after the other."""

Spot = tuple[int, int]
"""A partition and an offset."""


def gathered(handed_out: list[list[tuple[int, int]]]) -> tuple[BatchBuilder, list[Spot]]:
    """And where its records are from, in the order in which they came."""
    came: list[Spot] = []
    made = BatchBuilder()
    for runs in handed_out:
        spots: list[Spot] = []
        for number, count in runs:
            first = sum(1 for other, _ in [*came, *spots] if other == number)
            spots += [(number, 10 * (first + more)) for more in range(count)]
        made.add([message(number, offset) for number, offset in spots])
        came += spots
    return made, came


def message(number: int, offset: int) -> Message:
    said = f"{number}/{offset}".encode()
    return Message(topic="t", partition=number, offset=offset, key=said, value=said, timestamp=(1, offset))


def told(poll: RecordBatch) -> list[Spot]:
    offsets, timestamps, keys, values = poll.records
    assert keys == values
    assert np.array_equal(offsets, timestamps)
    found = [(int(number), int(offset)) for number, offset in (key.decode().split("/") for key in keys if key)]
    assert [offset for _, offset in found] == offsets.tolist()
    return found


@given(POLLS)
def test_each_partitions_records_stand_together_in_their_order(handed_out: list[list[tuple[int, int]]]) -> None:
    gathering, came = gathered(handed_out)
    poll = gathering.build()
    assert gathering.count == len(poll) == len(came)
    end = 0
    for number, start, stop in poll.spans:
        assert told(poll)[start:stop] == [spot for spot in came if spot[0] == number]
        assert start == end
        end = stop
    assert end == len(came)


@given(POLLS, st.dictionaries(st.integers(0, 3), st.integers(0, 60)))
def test_only_what_is_ours_and_new_is_read(handed_out: list[list[tuple[int, int]]], positions: dict[int, int]) -> None:
    gathering, came = gathered(handed_out)
    new = [(number, offset) for number, offset in came if number in positions and offset >= positions[number]]
    assert sorted(told(gathering.build().news(positions))) == sorted(new)
    ours = [spot for spot in came if spot[0] in positions]
    assert sorted(told(gathering.build().only(positions))) == sorted(ours)


@given(POLLS, POLLS, st.integers(0, 3))
def test_what_is_let_go_while_more_is_gathered_is_gone_with_its_end(
    before: list[list[tuple[int, int]]], after: list[list[tuple[int, int]]], gone: int
) -> None:
    gathering, came = gathered(before)
    gathering.ends = dict.fromkeys(range(4), 1_000)
    gathering.drop([gone])
    later = [(number, 10_000 + n) for n, number in enumerate(number for runs in after for number, _ in runs)]
    gathering.add([message(*spot) for spot in later])
    kept = [spot for spot in came if spot[0] != gone]
    assert sorted(told(gathering.build())) == sorted(kept + later)
    assert gathering.ends.keys() == {0, 1, 2, 3} - {gone}
