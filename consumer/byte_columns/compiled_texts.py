"""What is asked of many texts where they lie, in compiled code. It needs numba, which is optional."""

from functools import cache
from typing import Any

import numba
import numpy as np

from consumer.byte_columns.siphash import LONGS, WORDS, first_bytes, words_of
from consumer.byte_columns.slices import Longs
from consumer.byte_columns.text_spans import TextSpans

_numba: Any = numba
_u8: Any = np.uint64
_inline: Any = _numba.njit(inline="always")
_HIGH_BITS, _BYTE = _u8(0x8080808080808080), _u8(0xFF)


def count_characters(texts: TextSpans) -> Longs:
    """Return the number of characters in each text, 0 for no text, -1 for what is not UTF-8."""
    return compile_loops()[0](words_of(texts), texts.starts, texts.lengths)  # type: ignore[no-any-return]


def places_among(names: TextSpans, texts: TextSpans) -> Longs:
    """Return for each text the first of the names that equals it, -1 if none does. All of them must be there."""
    lists = (words_of(names), names.starts, names.lengths), (words_of(texts), texts.starts, texts.lengths)
    return compile_loops()[1](*lists[0], *lists[1])  # type: ignore[no-any-return]


def _count_characters(words: Any, starts: Any, lengths: Any) -> Any:
    found = np.empty(starts.size, np.int64)
    for i in range(starts.size):
        start, length = starts[i], lengths[i] if starts[i] >= 0 else 0
        every = _u8(0)
        for at in range(start, start + length - 7, 8):
            every |= words[at]
        if length % 8:
            every |= first_bytes(words[start + length // 8 * 8], length % 8)
        found[i] = length if every & _HIGH_BITS == _u8(0) else _count_utf8(words, start, start + length)
    return found


@_inline  # type: ignore[untyped-decorator]
def _count_utf8(words: Any, at: Any, end: Any) -> Any:
    """Count characters as table 3-7 of the Unicode standard has them: no surrogate, none longer than it must be."""
    count = 0
    while at < end:
        lead, second, least, greatest = words[at] & _BYTE, (words[at] >> _u8(8)) & _BYTE, 0x80, 0xBF
        if lead < 0x80:
            more = 0
        elif 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more, least, greatest = 2, 0xA0 if lead == 0xE0 else 0x80, 0x9F if lead == 0xED else 0xBF
        elif 0xF0 <= lead <= 0xF4:
            more, least, greatest = 3, 0x90 if lead == 0xF0 else 0x80, 0x8F if lead == 0xF4 else 0xBF
        else:
            return -1
        if at + more >= end or (more and not least <= second <= greatest):
            return -1
        for place in range(2, more + 1):
            if (words[at] >> _u8(8 * place)) & _u8(0xC0) != _u8(0x80):
                return -1
        at, count = at + more + 1, count + 1
    return count


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
    return _numba.njit(spans, nogil=True)(_count_characters), _numba.njit((*spans, *spans), nogil=True)(_places_among)
