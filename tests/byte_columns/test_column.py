"""A column of bytes is a sequence like a list of them, and is read by the batch as one."""

from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from consumer.activity.avro.value_batch import ValueBatch
from consumer.byte_columns.column import ByteColumn

VALUES = st.lists(st.none() | st.binary(max_size=12), max_size=12)
CUTS = st.integers(0, 13)


def column(values: Sequence[bytes | None]) -> ByteColumn:
    joined = b"".join(value or b"" for value in values)
    lengths = [-1 if value is None else len(value) for value in values]
    return ByteColumn(np.frombuffer(joined, np.uint8), np.array(lengths, np.int64))


@given(VALUES, CUTS, CUTS)
def test_column_is_the_sequence_of_its_values(values: list[bytes | None], start: int, stop: int) -> None:
    made = column(values)
    assert list(made) == values
    assert [made[row] for row in range(len(made))] == values
    assert list(made[start:stop]) == values[start:stop]
    assert list(made[start:][:stop]) == values[start:][:stop]


@given(VALUES, VALUES)
def test_columns_are_joined(some: list[bytes | None], more: list[bytes | None]) -> None:
    assert list(ByteColumn.concatenated([column(some), column(more)])) == some + more


@given(st.lists(st.tuples(st.none() | st.binary(max_size=5), st.booleans())))
def test_rows_are_chosen(rows: list[tuple[bytes | None, bool]]) -> None:
    which = np.array([chosen for _, chosen in rows], np.bool_)
    assert list(column([value for value, _ in rows]).where(which)) == [value for value, chosen in rows if chosen]


@given(VALUES)
def test_batch_of_a_column_is_the_batch_of_its_values(values: list[bytes | None]) -> None:
    ours, theirs = ValueBatch(column(values)), ValueBatch(values)
    assert ours.joined == theirs.joined
    assert ours.starts.tolist() == theirs.starts.tolist()
    assert ours.ends.tolist() == theirs.ends.tolist()
    assert ours.lengths.tolist() == theirs.lengths.tolist()
