"""Writes Avro by the column, for many records at once: what `batch_reader.py` does, backwards."""

import numpy as np

from consumer.byte_cells import Cells, Longs, lengths


def longs(numbers: Longs) -> Cells:
    """Return numbers as Avro writes them: zigzag, seven bits a byte, the lowest first."""
    left = ((numbers << 1) ^ (numbers >> 63)).astype(np.uint64)
    cells, used = [], [np.ones(numbers.size, np.bool_)]
    while True:
        low, left = (left & np.uint64(0x7F)).astype(np.uint8), left >> np.uint64(7)
        more = left > 0
        cells.append(low | (more * np.uint8(0x80)))
        if not more.any():
            return Cells(np.stack(cells, axis=1), np.stack(used, axis=1))
        used.append(more)


def texts(utf8: Cells) -> list[Cells]:
    """Return texts as Avro writes them: the length, then the bytes."""
    return [longs(lengths(utf8)), utf8]
