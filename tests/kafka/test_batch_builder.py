"""A batch keeps each partition's records together and in their order, however they arrived."""

import hypothesis.strategies as st
import numpy as np
from confluent_kafka import Message
from hypothesis import given

from consumer.kafka.detect_loop.batch_builder import BatchBuilder, RecordBatch

RUNS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=6)
"""A partition, and how many records of it follow each other."""
CHUNKS = st.lists(RUNS, max_size=4)
"""What the consumer returns, one call after the other."""

Position = tuple[int, int]
"""A partition and an offset."""


def built(chunks: list[list[tuple[int, int]]]) -> tuple[BatchBuilder, list[Position]]:
    """A builder with these chunks, and the positions of their records in the order of arrival."""
    arrived: list[Position] = []
    builder = BatchBuilder(reads_headers=True)
    for runs in chunks:
        positions: list[Position] = []
        for partition, count in runs:
            first = sum(1 for other, _ in [*arrived, *positions] if other == partition)
            positions += [(partition, 10 * (first + more)) for more in range(count)]
        builder.add([message(*position) for position in positions])
        arrived += positions
    return builder, arrived


def message(partition: int, offset: int) -> Message:
    text = f"{partition}/{offset}"
    key = text.encode()
    headers: list[tuple[str, str | bytes | None]] = [(text, b"")]
    return Message(
        topic="t", partition=partition, offset=offset, key=key, value=key, timestamp=(1, offset), headers=headers
    )


def positions_in(batch: RecordBatch) -> list[Position]:
    offsets, timestamps, keys, values, headers = batch.records
    assert keys == values
    assert [key.decode() for key in keys if key] == [found[0][0] for found in headers if found]
    assert np.array_equal(offsets, timestamps)
    found = [(int(partition), int(offset)) for partition, offset in (key.decode().split("/") for key in keys if key)]
    assert [offset for _, offset in found] == offsets.tolist()
    return found


@given(CHUNKS)
def test_batch_groups_records_by_partition_in_order(chunks: list[list[tuple[int, int]]]) -> None:
    builder, arrived = built(chunks)
    batch = builder.build()
    assert builder.count == len(batch) == len(arrived)
    end = 0
    for partition, start, stop in batch.spans:
        assert positions_in(batch)[start:stop] == [position for position in arrived if position[0] == partition]
        assert start == end
        end = stop
    assert end == len(arrived)


@given(CHUNKS, st.dictionaries(st.integers(0, 3), st.integers(0, 60)))
def test_unread_and_only_keep_what_is_ours(chunks: list[list[tuple[int, int]]], positions: dict[int, int]) -> None:
    builder, arrived = built(chunks)
    unread = [(partition, offset) for partition, offset in arrived if offset >= positions.get(partition, 1_000)]
    assert sorted(positions_in(builder.build().unread(positions))) == sorted(unread)
    ours = [position for position in arrived if position[0] in positions]
    assert sorted(positions_in(builder.build().only(positions))) == sorted(ours)


@given(CHUNKS, CHUNKS, st.integers(0, 3))
def test_dropped_partition_is_gone_with_its_end_position(
    before: list[list[tuple[int, int]]], after: list[list[tuple[int, int]]], dropped: int
) -> None:
    builder, arrived = built(before)
    builder.end_positions = dict.fromkeys(range(4), 1_000)
    builder.drop([dropped])
    later = [(partition, 10_000 + n) for n, partition in enumerate(number for runs in after for number, _ in runs)]
    builder.add([message(*position) for position in later])
    kept = [position for position in arrived if position[0] != dropped]
    batch = builder.build()
    assert sorted(positions_in(batch)) == sorted(kept + later)
    assert batch.end_positions.keys() == {0, 1, 2, 3} - {dropped}
