"""Bytes of many rows at once, in cells: a matrix with a row of cells for each, of which the first are used.

Records are put together from such columns and joined in a single step, which takes a fraction of a microsecond a
record.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Longs = npt.NDArray[np.int64]


_FOUR_DIGITS = np.frombuffer(b"".join(b"%04d" % number for number in range(10_000)), np.uint32)
"""The text of each number of four digits, in one word."""


class Cells(NamedTuple):
    """`cells` and `used` have a row for each text, and as many columns as the longest one has bytes. `used` is None
    where all cells are: of texts of one length, which are joined in half of the time."""

    cells: Bytes
    used: Flags | None = None

    def take(self, rows: Longs) -> "Cells":
        """Return these rows, each as often as it is named."""
        return Cells(self.cells[rows], None if self.used is None else self.used[rows])


def gather(buffer: Bytes, starts: Longs, lengths: Longs) -> Cells:
    """Return the bytes that lie in a buffer, from each start on."""
    width = int(lengths.max(initial=0))
    columns = np.arange(width)
    if starts.size and int(starts.max()) + width <= buffer.size:
        found = sliding_window_view(buffer, width)[starts]
    else:  # the longest text would be behind the buffer's end in some row
        found = buffer[np.minimum(starts[:, None] + columns, max(0, buffer.size - 1))]
    even = lengths.size and lengths.min() == width
    return Cells(found) if even else Cells(found, columns < lengths[:, None])


def of_texts(texts: Sequence[bytes]) -> Cells:
    """Return a row for each of a few texts."""
    lengths = np.array([len(text) for text in texts], np.int64)
    joined = np.frombuffer(b"".join(texts), np.uint8)
    return gather(joined, np.cumsum(lengths) - lengths, lengths)


def constant(text: bytes, rows: int) -> Cells:
    """Return the same bytes in each row."""
    return Cells(np.broadcast_to(np.frombuffer(text, np.uint8), (rows, len(text))))


def decimals(numbers: Longs) -> Cells:
    """Return numbers as `str` writes them."""
    left: Longs = np.abs(numbers)
    groups: list[npt.NDArray[np.uint32]] = []
    while not groups or left.any():
        rest = left // 10_000  # (quicker than `divmod`)
        groups.append(_FOUR_DIGITS[left - 10_000 * rest])
        left = rest
    digits: Bytes = np.stack(groups[::-1], axis=1).view(np.uint8)
    digits = digits[:, np.argmax((digits > ord("0")).any(axis=0)) :]  # without zeros in front of the longest
    negative = numbers < 0
    if (digits[:, 0] > ord("0")).all() and not negative.any():
        return Cells(digits)
    used = np.logical_or.accumulate(digits > ord("0"), axis=1)
    used[:, -1] = True  # zero is written, too
    if not negative.any():
        return Cells(digits, used)
    return Cells(
        np.column_stack([np.full(numbers.size, ord("-"), np.uint8), digits]), np.column_stack([negative, used])
    )


def count_characters(utf8: Cells) -> Longs:
    """Return the number of characters in each row."""
    if not utf8.cells.size or utf8.cells.max() < 0x80:
        return lengths(utf8)
    begins = utf8.cells & 0xC0 != 0x80
    return _counts(begins if utf8.used is None else utf8.used & begins)


def lengths(column: Cells) -> Longs:
    """Return the number of bytes in each row."""
    return np.full(len(column.cells), column.cells.shape[1]) if column.used is None else _counts(column.used)


def join(columns: Sequence[Cells]) -> list[bytes]:
    """Return the bytes of each row, column after column."""
    cells = np.concatenate([column.cells for column in columns], axis=1)
    if all(column.used is None for column in columns) and cells.size:
        return cells.view(f"V{cells.shape[1]}").ravel().tolist()
    used, ends = np.ones(cells.shape, np.bool_), np.zeros(len(cells) + 1, np.int64)
    at = 0
    for column in columns:
        width = column.cells.shape[1]
        if column.used is not None:
            used[:, at : at + width] = column.used
        ends[1:] += lengths(column)
        at += width
    joined = cells[used].tobytes()
    return [joined[start:end] for start, end in pairwise(np.cumsum(ends).tolist())]


def _counts(flags: Flags) -> Longs:
    """Return how many of each row are set."""
    counts: Longs = np.count_nonzero(flags, axis=1)
    return counts
