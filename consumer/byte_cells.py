"""Bytes of many rows at once, in cells: a matrix with a row of cells for each, of which the first are used.

Records are put together from such columns and joined in a single step, which takes a fraction of a microsecond a
record.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Longs = npt.NDArray[np.int64]


_FOUR_DIGITS = np.frombuffer(b"".join(b"%04d" % number for number in range(10_000)), np.uint8).reshape(-1, 4)


class Cells(NamedTuple):
    """`cells` and `used` have a row for each text, and as many columns as the longest one has bytes."""

    cells: Bytes
    used: Flags

    def take(self, rows: Longs) -> "Cells":
        """Return these rows, each as often as it is named."""
        return Cells(self.cells[rows], self.used[rows])


def gather(buffer: Bytes, starts: Longs, lengths: Longs) -> Cells:
    """Return the bytes that lie in a buffer, from each start on."""
    columns = np.arange(int(lengths.max(initial=0)))
    places = np.minimum(starts[:, None] + columns, max(0, buffer.size - 1))
    return Cells(buffer[places], columns < lengths[:, None])


def of_texts(texts: Sequence[bytes]) -> Cells:
    """Return a row for each of a few texts."""
    lengths = np.array([len(text) for text in texts], np.int64)
    joined = np.frombuffer(b"".join(texts), np.uint8)
    return gather(joined, np.cumsum(lengths) - lengths, lengths)


def constant(text: bytes, rows: int) -> Cells:
    """Return the same bytes in each row."""
    cells = np.broadcast_to(np.frombuffer(text, np.uint8), (rows, len(text)))
    return Cells(cells, np.ones(cells.shape, np.bool_))


def decimals(numbers: Longs) -> Cells:
    """Return numbers as `str` writes them."""
    left: Longs = np.abs(numbers)
    groups: list[Bytes] = []
    while not groups or left.any():
        rest = left // 10_000  # (quicker than `divmod`)
        groups.append(_FOUR_DIGITS[left - 10_000 * rest])
        left = rest
    digits = np.concatenate(groups[::-1], axis=1)
    used = np.logical_or.accumulate(digits > ord("0"), axis=1)
    used[:, -1] = True  # zero is written, too
    signs = constant(b"-", numbers.size)
    return Cells(np.hstack([signs.cells, digits]), np.column_stack([numbers < 0, used]))


def count_characters(utf8: Cells) -> Longs:
    """Return the number of characters in each row."""
    begins: Longs = np.count_nonzero(utf8.used & (utf8.cells & 0xC0 != 0x80), axis=1)
    return begins


def lengths(column: Cells) -> Longs:
    """Return the number of bytes in each row."""
    found: Longs = np.count_nonzero(column.used, axis=1)
    return found


def join(columns: Sequence[Cells]) -> list[bytes]:
    """Return the bytes of each row, column after column."""
    cells = np.concatenate([column.cells for column in columns], axis=1)
    used = np.concatenate([column.used for column in columns], axis=1)
    joined = cells[used].tobytes()
    ends = [0, *np.cumsum(np.count_nonzero(used, axis=1)).tolist()]
    return [joined[start:end] for start, end in pairwise(ends)]
