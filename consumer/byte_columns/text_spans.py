"""A column of texts that stay where they lie, among other bytes, until somebody needs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl

from consumer.byte_columns.slices import Bytes, ByteSpans, Longs, gather_bytes, slice_bytes

Places: TypeAlias = Longs | slice

WORD_BYTES = 8
"""So many bytes lie behind the last text, so that it can be read a word at a time."""


@dataclass(frozen=True, slots=True)
class TextSpans:
    """The first byte of each text in `data`, and its length in bytes; a negative start means no text. Behind the last
    text lie eight bytes more."""

    data: Bytes
    starts: Longs
    lengths: Longs

    def __len__(self) -> int:
        return self.starts.size

    def slice(self, offset: int, length: int) -> "TextSpans":
        rows = slice(offset, offset + length)
        return TextSpans(self.data, self.starts[rows], self.lengths[rows])

    def gather(self, rows: Places) -> "TextSpans":
        """Return these rows, still where they lie."""
        return TextSpans(self.data, self.starts[rows], self.lengths[rows])

    def packed(self) -> tuple[Bytes, ByteSpans]:
        """Return the texts' bytes end to end, and where each lies: a copy, unless they lie so."""
        none = self.starts < 0
        lengths = np.where(none, 0, self.lengths)
        starts = np.cumsum(lengths) - lengths
        if np.array_equal(starts, self.starts):
            return self.data[: lengths.sum()], (starts, lengths)
        return gather_bytes(self.data, np.where(none, 0, self.starts), lengths), (np.where(none, -1, starts), lengths)

    def cut(self) -> pl.Series:
        """Cut the texts out."""
        data, spans = self.packed()
        return slice_bytes(data.tobytes(), {"text": spans})["text"].cast(pl.String)

    @classmethod
    def of(cls, texts: pl.Series) -> "TextSpans":
        """Join texts."""
        joined = texts.str.join("").cast(pl.Binary).item() or b""
        lengths = texts.str.len_bytes().fill_null(0).cast(pl.Int64).to_numpy()
        starts = np.where(texts.is_null().to_numpy(), -1, np.cumsum(lengths) - lengths)
        return cls(np.frombuffer(joined + bytes(WORD_BYTES), np.uint8), starts, lengths)

    @classmethod
    def concatenated(cls, columns: Sequence["TextSpans"]) -> "TextSpans":
        before = np.cumsum([0, *(each.data.size for each in columns)])
        starts = [np.where(each.starts < 0, -1, each.starts + at) for each, at in zip(columns, before, strict=False)]
        data = np.concatenate([each.data for each in columns])
        return cls(data, np.concatenate(starts), np.concatenate([each.lengths for each in columns]))


Texts: TypeAlias = pl.Series | TextSpans
"""A column of texts; both know `gather` and `slice`."""


def spans_of(texts: Texts) -> TextSpans:
    return texts if isinstance(texts, TextSpans) else TextSpans.of(texts)


def series_of(texts: Texts) -> pl.Series:
    return texts.cut() if isinstance(texts, TextSpans) else texts
