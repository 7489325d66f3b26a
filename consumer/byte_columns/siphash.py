"""SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012) of many texts, in compiled code. It needs numba, which is
optional.

With a key that nobody knows, nobody can find two texts with one hash.
"""

from functools import cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types

from consumer.byte_columns.text_spans import WORD_BYTES, TextSpans

Hashes = npt.NDArray[np.uint64]

KEY_BYTES = 16
WORDS = types.Array(types.uint64, 1, "A", readonly=True, aligned=False)
"""What `words_of` returns, as compiled code takes it."""
LONGS = types.Array(types.int64, 1, "A", readonly=True)
_numba: Any = numba
_inline: Any = _numba.njit(inline="always")
_u8: Any = np.uint64


def words_of(texts: TextSpans) -> npt.NDArray[np.uint64]:
    """Return the eight bytes from each position of `data` on, the first as the lowest."""
    return np.ndarray((texts.data.size - WORD_BYTES + 1,), "<u8", texts.data, strides=(1,))


class SipHash:
    """Compiles once in a process, in a second or two, when the first is made."""

    def __init__(self, key: bytes) -> None:
        self._key = np.frombuffer(key, "<u8", KEY_BYTES // WORD_BYTES)
        self._hash = _compile()

    def __call__(self, texts: TextSpans) -> tuple[Hashes, Hashes]:
        """Return the first and the second half of each text's hash; of no text, that of an empty one."""
        return self._hash(words_of(texts), texts.starts, texts.lengths, *self._key)  # type: ignore[no-any-return]


@_inline  # type: ignore[untyped-decorator]
def first_bytes(word: Any, count: int) -> Any:
    """Return the word's first bytes, the others as zeros; less than eight of them."""
    return word & ((_u8(1) << _u8(8 * count)) - _u8(1))


@_inline  # type: ignore[untyped-decorator]
def _turned(word: Any, bits: int) -> Any:
    return (word << _u8(bits)) | (word >> _u8(64 - bits))


@_inline  # type: ignore[untyped-decorator]
def _round(a: Any, b: Any, c: Any, d: Any) -> Any:
    a, c = a + b, c + d
    b, d = _turned(b, 13) ^ a, _turned(d, 16) ^ c
    a, c = _turned(a, 32) + d, c + b
    b, d = _turned(b, 17) ^ c, _turned(d, 21) ^ a
    return a, b, _turned(c, 32), d


@_inline  # type: ignore[untyped-decorator]
def _take_in(state: Any, word: Any) -> Any:
    a, b, c, d = state
    a, b, c, d = _round(a, b, c, d ^ word)
    a, b, c, d = _round(a, b, c, d)
    return a ^ word, b, c, d


@_inline  # type: ignore[untyped-decorator]
def _finish(a: Any, b: Any, c: Any, d: Any) -> Any:
    for _ in range(4):
        a, b, c, d = _round(a, b, c, d)
    return a, b, c, d


def _hash_texts(words: Any, starts: Any, lengths: Any, key_low: Any, key_high: Any) -> Any:
    low, high = np.empty(starts.size, np.uint64), np.empty(starts.size, np.uint64)
    for i in range(starts.size):
        length = lengths[i] if starts[i] >= 0 else 0
        at, whole = starts[i], length // 8
        state = (
            key_low ^ _u8(0x736F6D6570736575),
            key_high ^ _u8(0x646F72616E646F6D ^ 0xEE),
            key_low ^ _u8(0x6C7967656E657261),
            key_high ^ _u8(0x7465646279746573),
        )
        for n in range(whole):
            state = _take_in(state, words[at + 8 * n])
        rest = first_bytes(words[at + 8 * whole], length % 8) if length % 8 else _u8(0)
        a, b, c, d = _take_in(state, rest | (_u8(length) << _u8(56)))
        a, b, c, d = _finish(a, b, c ^ _u8(0xEE), d)
        low[i] = a ^ b ^ c ^ d
        a, b, c, d = _finish(a, b ^ _u8(0xDD), c, d)
        high[i] = a ^ b ^ c ^ d
    return low, high


@cache
def _compile() -> Any:
    return _numba.njit((WORDS, LONGS, LONGS, types.uint64, types.uint64), nogil=True)(_hash_texts)
