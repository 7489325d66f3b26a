"""Joins a batch of values into one array, and groups them by their header."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from consumer.activity.avro.cursor import LOOKAHEAD_BYTES, Bytes, Flags, Longs
from consumer.activity.schemas.framing import (
    CONFLUENT,
    CONFLUENT_SIZE,
    GLUE,
    GLUE_COMPRESSIONS,
    GLUE_SIZE,
    SINGLE_OBJECT,
    SINGLE_OBJECT_SIZE,
)
from consumer.byte_columns.column import ByteColumn

_LOOKAHEAD = bytes(LOOKAHEAD_BYTES)
GLUE_HEADER = bytes([GLUE])
"""Stands for a header of AWS Glue's Schema Registry, whatever its schema."""


class ValueBatch:
    """`joined` and `data` hold all values (a null as no bytes), value i from `starts[i]` to `ends[i]`."""

    def __init__(self, values: Sequence[bytes | None]) -> None:
        if isinstance(values, ByteColumn):
            self.joined, self.lengths = b"".join((values.data.data, _LOOKAHEAD)), values.sizes
        else:
            self.joined, self.lengths = _joined(values)
        self.ends: Longs = np.cumsum(self.lengths)
        self.starts: Longs = self.ends - self.lengths
        self.data: Bytes = np.frombuffer(self.joined, np.uint8)

    def groups(self) -> Iterator[tuple[bytes | None, Longs]]:
        """Yield each header and the indices of its values; None for those that have no header and are not empty, and
        GLUE_HEADER for those with a header of AWS Glue's."""
        first, second = self.data[self.starts], self.data[self.starts + 1]
        confluent = (first == CONFLUENT) & (self.lengths >= CONFLUENT_SIZE)
        single = (first == SINGLE_OBJECT[0]) & (second == SINGLE_OBJECT[1]) & (self.lengths >= SINGLE_OBJECT_SIZE)
        yield from self._alike(confluent, np.dtype(">u4"), CONFLUENT_SIZE)
        yield from self._alike(single, np.dtype("<u8"), SINGLE_OBJECT_SIZE)
        unframed = np.flatnonzero(~(confluent | single) & (self.lengths > 0))
        if unframed.size:
            glue = (first[unframed] == GLUE) & np.isin(second[unframed], GLUE_COMPRESSIONS)
            glue &= self.lengths[unframed] >= GLUE_SIZE
            yield GLUE_HEADER, unframed[glue]
            yield None, unframed[~glue]

    def _alike(self, which: Flags, number: "np.dtype[np.unsignedinteger]", size: int) -> Iterator[tuple[bytes, Longs]]:
        rows = np.flatnonzero(which)
        if not rows.size:
            return
        anywhere = _unaligned(self.data, number)
        ids = anywhere[self.starts[rows] + size - number.itemsize]
        distinct = ids[:1] if (ids == ids[0]).all() else np.unique(ids)
        for schema in distinct:
            alike = rows[ids == schema] if distinct.size > 1 else rows
            start = self.starts[alike[0]]
            yield self.data[start : start + size].tobytes(), alike


def _joined(values: Sequence[bytes | None]) -> tuple[bytes, Longs]:
    """Return the bytes of all values with a lookahead behind them, and their lengths."""
    parts: list[bytes] = [*values, _LOOKAHEAD]  # type: ignore[list-item] # nulls make the join fail
    try:
        joined = b"".join(parts)
    except TypeError:
        parts = [part or b"" for part in parts]
        joined = b"".join(parts)
    return joined, np.fromiter(map(len, parts), np.int64, len(values))


def _unaligned(data: Bytes, number: "np.dtype[np.unsignedinteger]") -> npt.NDArray[np.unsignedinteger]:
    """Return a view of the bytes with one number beginning at each of them."""
    return np.ndarray((data.size - number.itemsize + 1,), number, data, strides=(1,))
