"""Writes Avro by the column, for many records at once: what `batch_reader.py` does, backwards."""

import numpy as np

from consumer.byte_columns.cells import Cells, Flags, Longs, lengths

NULL, VALUE = 0, 2
"""The branches of a union of null and another type, as Avro writes them: zigzag."""


def longs(numbers: Longs) -> Cells:
    """Return numbers as Avro writes them: zigzag, seven bits a byte, the lowest first."""
    left = ((numbers << 1) ^ (numbers >> 63)).astype(np.uint64)
    cells, used, even = [], [np.ones(numbers.size, np.bool_)], True
    while True:
        low, left = (left & np.uint64(0x7F)).astype(np.uint8), left >> np.uint64(7)
        more = left > 0
        cells.append(low | (more * np.uint8(0x80)))
        if not more.any():
            return Cells(np.stack(cells, axis=1), None if even else np.stack(used, axis=1))
        used.append(more)
        even &= bool(more.all())


def texts(utf8: Cells) -> list[Cells]:
    """Return texts as Avro writes them: the length, then the bytes."""
    return [longs(lengths(utf8)), utf8]


def nullable_texts(utf8: Cells, present: Flags) -> list[Cells]:
    """Return texts, or null, as Avro writes a union of the two: the branch, and the text where there is one.

    What is not present must have no bytes.
    """
    branch = Cells(np.where(present, VALUE, NULL).astype(np.uint8)[:, None])
    if not present.any():
        return [branch]
    length, text = texts(utf8)
    if present.all():
        return [branch, length, text]
    used = np.broadcast_to(present[:, None], length.cells.shape)
    return [branch, Cells(length.cells, used if length.used is None else used & length.used), text]
