"""Parses many times in the common form of ISO 8601 at once: 2026-09-21T14:13:20Z, perhaps with a fraction."""

from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Longs: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint64]

NO_TIME = np.iinfo(np.int64).min
WIDTH = 32
"""Bytes from each start that are read, whatever the text's length."""

_WHOLE = 20  # characters of a time without a fraction
_SIZES = {_WHOLE, *range(_WHOLE + 2, _WHOLE + 11)}  # up to nanoseconds
_HIGH = np.uint64(0x8080808080808080)
_WORD = np.dtype("<u8")  # a text's first letter is the lowest byte


class _Form(NamedTuple):
    """A form of one length, as WIDTH bytes, eight to a word."""

    plain: Words
    """XOR with this turns digits into their values, and the letters between them into zeros."""
    within: Words
    """Masks the bytes behind the text."""
    room: Words
    """Added to a byte, it exceeds 127 if the byte is not allowed in its place."""


def parse_common_form(data: Bytes, start: Longs, length: Longs) -> Longs:
    """Return milliseconds of texts in `data`, which has WIDTH bytes from every start; NO_TIME for any other form."""
    moments = np.full(start.size, NO_TIME, np.int64)
    sizes = length[:1] if (length == length[:1]).all() else np.unique(length)
    for size in _SIZES.intersection(sizes.tolist()):
        which = np.flatnonzero(length == size)
        moments[which] = _moments(data, start[which], _form(size))
    return moments


def _moments(data: Bytes, start: Longs, form: _Form) -> Longs:
    anywhere: Words = np.ndarray((data.size - 7,), _WORD, data, strides=(1,))
    words = [(anywhere[start + 8 * n] ^ form.plain[n]) & form.within[n] for n in range(WIDTH // 8)]
    past = [(word + room) | word for word, room in zip(words, form.room, strict=True)]
    wrong = (past[0] | past[1] | past[2] | past[3]) & _HIGH != 0
    # Ten times each digit plus the next one: the two-digit numbers at every place.
    dated, timed, timed_finely = (word * 10 + (word >> 8) for word in words[:3])
    year, month = _byte(dated, 0) * 100 + _byte(dated, 2), _byte(dated, 5)
    day, hour, minute = _byte(timed, 0), _byte(timed, 3), _byte(timed, 6)
    second, milli = _byte(timed_finely, 1), _byte(timed_finely, 4) * 10 + _byte(words[2], 6)
    first, days = _month((year - 1970) * 12 + month - 1)
    wrong |= (month < 1) | (month > 12) | (day < 1) | (day > days) | (hour > 23) | (minute > 59) | (second > 59)
    moment = (((first + day - 1) * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + milli
    return np.where(wrong, NO_TIME, moment)


def _byte(words: Words, place: int) -> Longs:
    return ((words >> (8 * place)) & 255).astype(np.int64)


def _month(number: Longs) -> tuple[Longs, Longs]:
    """Return the first day of a month, both counted from 1970, and the number of its days."""
    least = number.min()
    days = np.arange(least, number.max() + 2).astype("M8[M]").astype("M8[D]").astype(np.int64)
    return days[number - least], np.diff(days)[number - least]


@cache
def _form(size: int) -> _Form:
    form = "YYYY-MM-DDThh:mm:ss" + ("." + "f" * (size - 21) if size > _WHOLE else "") + "Z"
    digits = [place in "YMDhmsf" for place in form]
    plain = bytes(ord("0") if digit else ord(place) for digit, place in zip(digits, form, strict=True))
    return _Form(
        plain=_as_words(plain),
        within=_as_words(b"\xff" * size),
        room=_as_words(bytes(127 - 9 if digit else 127 for digit in digits)),
    )


def _as_words(letters: bytes) -> Words:
    return np.frombuffer(letters.ljust(WIDTH, b"\0"), _WORD).astype(np.uint64)
