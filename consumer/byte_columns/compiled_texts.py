"""What is asked of many texts where they lie, in compiled code. It needs numba, which is optional."""

from functools import cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from consumer.byte_columns.siphash import LONGS, WORDS, first_bytes, words_of
from consumer.byte_columns.slices import Longs
from consumer.byte_columns.text_spans import TextSpans

_numba: Any = numba
_u8: Any = np.uint64
_HIGH_BITS = _u8(0x8080808080808080)


def are_ascii(texts: TextSpans) -> npt.NDArray[np.bool_]:
    """Return which texts are of ASCII alone; no text is, too."""
    return compile_loops()[0](words_of(texts), texts.starts, texts.lengths)  # type: ignore[no-any-return]


def places_among(names: TextSpans, texts: TextSpans) -> Longs:
    """Return for each text the first of the names that equals it, -1 if none does. All of them must be there."""
    lists = (words_of(names), names.starts, names.lengths), (words_of(texts), texts.starts, texts.lengths)
    return compile_loops()[1](*lists[0], *lists[1])  # type: ignore[no-any-return]


def _are_ascii(words: Any, starts: Any, lengths: Any) -> Any:
    found = np.empty(starts.size, np.bool_)
    for i in range(starts.size):
        every, length = _u8(0), lengths[i] if starts[i] >= 0 else 0
        for at in range(starts[i], starts[i] + length - 7, 8):
            every |= words[at]
        if length % 8:
            every |= first_bytes(words[starts[i] + length // 8 * 8], length % 8)
        found[i] = every & _HIGH_BITS == _u8(0)
    return found


def _places_among(names: Any, name_starts: Any, name_lengths: Any, words: Any, starts: Any, lengths: Any) -> Any:
    found = np.empty(starts.size, np.int64)
    for i in range(starts.size):
        found[i] = -1
        length = lengths[i]
        whole = length // 8 * 8
        for name in range(name_starts.size):
            if name_lengths[name] != length:
                continue
            differs = _u8(0)
            for at in range(0, whole, 8):
                differs |= words[starts[i] + at] ^ names[name_starts[name] + at]
            if length % 8:
                last = words[starts[i] + whole] ^ names[name_starts[name] + whole]
                differs |= first_bytes(last, length % 8)
            if differs == _u8(0):
                found[i] = name
                break
    return found


@cache
def compile_loops() -> tuple[Any, Any]:
    """Compile once in a process, in a second or so."""
    spans = (WORDS, LONGS, LONGS)
    return _numba.njit(spans, nogil=True)(_are_ascii), _numba.njit((*spans, *spans), nogil=True)(_places_among)
