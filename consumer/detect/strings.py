"""A column of texts that change: their bytes end to end in one buffer, each row knowing where its own begin."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.detect.index import Rows

_NONE = -1


class Strings:
    """One text, or none, for each row. Room of texts that were replaced is given back now and then."""

    def __init__(self) -> None:
        self._bytes = np.empty(1 << 12, np.uint8)
        self._end = 0
        self._live = 0  # bytes that some row still means
        self._start = np.empty(0, np.int64)
        self._length = np.empty(0, np.int32)

    def resize(self, rows: int) -> None:
        """Have this many rows; new ones hold none."""
        had = self._start.size
        self._start = _widened(self._start, rows)
        self._length = _widened(self._length, rows)
        self._length[had:] = _NONE

    def put(self, rows: Rows, texts: pl.Series) -> None:
        """Set distinct rows to these texts; a null means none."""
        self.clear(rows)
        told = texts.is_not_null().to_numpy()
        if not told.any():
            return
        if not told.all():
            rows, texts = rows[told], texts.drop_nulls()
        lengths = texts.str.len_bytes().to_numpy().astype(np.int32)
        joined = np.frombuffer(texts.str.join("").item().encode(), np.uint8)
        self._make_room(joined.size)
        self._bytes[self._end : self._end + joined.size] = joined
        ends = np.cumsum(lengths, dtype=np.int64)
        self._start[rows] = self._end + ends - lengths
        self._length[rows] = lengths
        self._end += joined.size
        self._live += joined.size

    def clear(self, rows: Rows) -> None:
        lengths = self._length[rows]
        self._live -= int(lengths[lengths > 0].sum())
        self._length[rows] = _NONE

    def is_none(self, rows: Rows) -> npt.NDArray[np.bool_]:
        return self._length[rows] == _NONE  # type: ignore[no-any-return]

    def get(self, rows: Rows) -> list[str | None]:
        buffer = self._bytes.data
        spans = zip(self._start[rows].tolist(), self._length[rows].tolist(), strict=True)
        return [str(buffer[at : at + length], "utf-8") if length >= 0 else None for at, length in spans]

    @property
    def nbytes(self) -> int:
        return self._bytes.nbytes + self._start.nbytes + self._length.nbytes

    def _make_room(self, more: int) -> None:
        if self._end + more <= self._bytes.size:
            return
        rows = np.flatnonzero(self._length > 0).astype(np.int32)
        kept = self._gather(rows) if self._live < self._end // 2 else self._bytes[: self._end]
        grown = np.empty(int((kept.size + more) * 1.25) + 1024, np.uint8)
        grown[: kept.size] = kept
        if kept.size != self._end:
            lengths = self._length[rows].astype(np.int64)
            self._start[rows] = np.cumsum(lengths) - lengths
        self._bytes, self._end = grown, kept.size

    def _gather(self, rows: Rows) -> npt.NDArray[np.uint8]:
        lengths = self._length[rows].astype(np.int64)
        shift = np.repeat(self._start[rows] - (np.cumsum(lengths) - lengths), lengths)
        return self._bytes[np.arange(shift.size) + shift]  # type: ignore[no-any-return]


def _widened(column: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    wider = np.empty(size, column.dtype)
    wider[: column.size] = column
    return wider
