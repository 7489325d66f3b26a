"""A column of bytes: a sequence that lies in one piece of memory, for code that takes it as a whole."""

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]
_NONE = -1


class ByteColumn(Sequence[bytes | None]):
    """`data` holds the bytes end to end, `lengths` how many each has; -1 where there are none at all (None)."""

    def __init__(self, data: npt.NDArray[np.uint8], lengths: Longs) -> None:
        self.data = data
        self.lengths = lengths
        self._ends: Longs | None = None

    @property
    def sizes(self) -> Longs:
        """Return the lengths, 0 for None."""
        return np.maximum(self.lengths, 0)

    def __len__(self) -> int:
        return self.lengths.size

    @overload
    def __getitem__(self, row: int) -> bytes | None: ...
    @overload
    def __getitem__(self, row: slice) -> "ByteColumn": ...
    def __getitem__(self, row: int | slice) -> "bytes | ByteColumn | None":
        if self._ends is None:
            self._ends = np.cumsum(self.sizes)
        if isinstance(row, slice):
            start, stop, step = row.indices(len(self))
            if step != 1:
                raise ValueError("only neighbouring rows can be cut out")
            stop = max(start, stop)
            return ByteColumn(self.data[self._end(start) : self._end(stop)], self.lengths[start:stop])
        length = int(self.lengths[row])
        if length == _NONE:
            return None
        end = int(self._ends[row])
        return self.data[end - length : end].tobytes()

    def __iter__(self) -> Iterator[bytes | None]:
        joined, end = self.data.tobytes(), 0
        for length in self.lengths.tolist():
            start, end = end, end + max(length, 0)
            yield None if length == _NONE else joined[start:end]

    def where(self, which: npt.NDArray[np.bool_]) -> "ByteColumn":
        return ByteColumn(self.data[np.repeat(which, self.sizes)], self.lengths[which])

    @classmethod
    def concatenated(cls, columns: Sequence["ByteColumn"]) -> "ByteColumn":
        return cls(np.concatenate([one.data for one in columns]), np.concatenate([one.lengths for one in columns]))

    def _end(self, count: int) -> int:
        """Return where the bytes of the first rows end."""
        assert self._ends is not None
        return int(self._ends[count - 1]) if count else 0
