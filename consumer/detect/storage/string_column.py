"""A column of texts that change: their bytes lie end to end in one buffer, with a start and a length for each row."""

import numpy as np
import numpy.typing as npt

from consumer.byte_columns.cells import Cells, gather
from consumer.byte_columns.slices import ByteSpans, gather_bytes
from consumer.byte_columns.text_spans import Texts, spans_of
from consumer.detect.storage.growable_array import GrowableArray
from consumer.detect.storage.hash_index import Rows

_NONE = -1
_LOOSEST = 2  # of so many times the bytes that are wanted a copy takes less time than gathering them


class StringColumn:
    """One text, or none, for each row. The memory of replaced texts is reclaimed from time to time."""

    def __init__(self) -> None:
        self._arrays = GrowableArray(np.uint8), GrowableArray(np.int64), GrowableArray(np.int32, _NONE)
        self._bytes: npt.NDArray[np.uint8] = self._arrays[0].resize(1 << 12)
        self._used_bytes = 0
        self._live_bytes = 0  # bytes that belong to a row
        self.resize(0)

    def resize(self, rows: int) -> None:
        """Resize to this many rows; new rows hold no text."""
        self._start: npt.NDArray[np.int64] = self._arrays[1].resize(rows)
        self._length: npt.NDArray[np.int32] = self._arrays[2].resize(rows)

    def put(self, rows: Rows, texts: Texts) -> None:
        """Store texts in distinct rows; a null clears the row."""
        self.clear(rows)
        spans = spans_of(texts)
        present = np.flatnonzero(spans.starts >= 0)
        if present.size < rows.size:
            rows, spans = rows[present], spans.gather(present)
        packed, (starts, lengths) = spans.packed()
        self._ensure_capacity(packed.size)
        self._bytes[self._used_bytes : self._used_bytes + packed.size] = packed
        self._start[rows] = self._used_bytes + starts
        self._length[rows] = lengths
        self._used_bytes += packed.size
        self._live_bytes += packed.size

    def clear(self, rows: Rows) -> None:
        lengths = self._length[rows]
        self._live_bytes -= int(np.maximum(lengths, 0).sum())
        self._length[rows] = _NONE

    def move(self, rows: Rows, to: Rows) -> None:
        """Move texts to rows that hold none."""
        self._start[to], self._length[to] = self._start[rows], self._length[rows]
        self._length[rows] = _NONE

    def is_none(self, rows: Rows) -> npt.NDArray[np.bool_]:
        return self._length[rows] == _NONE  # type: ignore[no-any-return]

    def get(self, rows: Rows) -> list[str | None]:
        texts: list[str | None] = [None] * rows.size
        lengths = self._length[rows]
        present = np.flatnonzero(lengths != _NONE)
        buffer = self._bytes.data
        spans = zip(present.tolist(), self._start[rows[present]].tolist(), lengths[present].tolist(), strict=True)
        for place, at, length in spans:
            texts[place] = str(buffer[at : at + length], "utf-8")
        return texts

    def spans(self, rows: Rows, wanted: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.uint8], ByteSpans]:
        """Return bytes among which the wanted texts of these rows lie, and where."""
        lengths = self._length[rows].astype(np.int64)
        present = np.flatnonzero(wanted & (lengths != _NONE))
        found, starts = lengths[present], np.full(rows.size, -1)
        at = self._start[rows[present]]
        first, end = int(at.min(initial=self._used_bytes)), int((at + found).max(initial=0))
        if end - first <= _LOOSEST * int(found.sum()):  # as texts of neighbours mostly lie
            texts, starts[present] = self._bytes[first:end], at - first
        else:
            texts, starts[present] = gather_bytes(self._bytes, at, found), np.cumsum(found) - found
        return texts, (starts, np.maximum(lengths, 0))

    def cells(self, rows: Rows) -> Cells:
        """Return the texts' bytes; of no text, none."""
        lengths = np.maximum(self._length[rows], 0)
        return gather(self._bytes, np.where(lengths > 0, self._start[rows], 0), lengths)

    def shrink(self) -> None:
        """Reclaim the memory of replaced texts if it is more than half."""
        if self._live_bytes < self._used_bytes // 2:
            self._compact(0)

    @property
    def nbytes(self) -> int:
        return self._bytes.nbytes + self._start.nbytes + self._length.nbytes

    def _ensure_capacity(self, more: int) -> None:
        if self._used_bytes + more <= self._bytes.size:
            return
        if self._live_bytes < self._used_bytes // 2:
            self._compact(more)
        else:
            self._bytes = self._arrays[0].resize(_with_headroom(self._used_bytes + more))

    def _compact(self, more: int) -> None:
        rows = np.flatnonzero(self._length > 0)
        lengths = self._length[rows].astype(np.int64)
        kept = gather_bytes(self._bytes, self._start[rows], lengths)
        self._arrays[0].resize(0)
        self._bytes = self._arrays[0].resize(_with_headroom(kept.size + more))
        self._bytes[: kept.size] = kept
        self._start[rows] = np.cumsum(lengths) - lengths
        self._used_bytes = kept.size


def _with_headroom(size: int) -> int:
    return size + size // 8 + 1024
