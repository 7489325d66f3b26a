"""Parses times of ISO 8601: many in the common form (2026-09-21T14:13:20Z, perhaps with a fraction) at once, and one in
any form that says a certain moment.

The grammar: a calendar date, in extended or basic form; T or a space; the time in extended or basic form, at least to
the minute; perhaps Z, UTC or an offset (+02:00, +0200, +02); perhaps a zone in brackets, as Java writes it
(+02:00[Europe/Paris]). In basic form the T may be left out, and then milliseconds may follow without a point
(20260921141320123). A date alone, weeks and days of the year, and offsets that no zone has, are no certain moments.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from consumer.activity.times.local_time import to_utc
from consumer.clock import Millis

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


_ENDING = r" ?(?P<offset>[Zz]|UTC|(?P<sign>[+-])(?P<ahead>\d\d)(?::?(?P<minutes>\d\d))?)?(?:\[(?P<zone>[\w+/-]+)\])?"
_FRACTION = r"(?:[.,](?P<fraction>\d{1,18}))?"
_FORMS = [
    re.compile(form + _ENDING, re.ASCII)
    for form in (
        r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)" + _FRACTION + ")?",
        r"(\d{4})(\d\d)(\d\d)[Tt ](\d\d)(\d\d)(?:(\d\d)" + _FRACTION + ")?",
        r"(\d{4})(\d\d)(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)" + _FRACTION + ")?",
        r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d)(\d\d)(?:(\d\d)" + _FRACTION + ")?",
        r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?P<fraction>\d{3})?",
        r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)" + _FRACTION,
    )
]
_FURTHEST_OFFSET_H = 14
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def parse_iso(text: str, zone: str | None) -> Millis:
    """Return milliseconds of a time in any form of the grammar; NO_TIME for every other text.

    Without an offset it is a time in `zone`, which None means UTC (see `local_time.py` for hours that are shown twice
    or never). A zone in brackets counts for more than `zone`; one that contradicts the offset makes it uncertain.
    """
    found = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    if found is None:
        return NO_TIME
    try:
        year, month, day, hour, minute, second = (int(found[place] or 0) for place in range(1, 7))
        shown = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return NO_TIME
    local = (shown - _EPOCH) // _MILLISECOND + int((found["fraction"] or "").ljust(3, "0")[:3])
    named = found["zone"] or zone
    if found["zone"] and not _is_zone(found["zone"]):
        return NO_TIME
    if found["offset"] is None:
        return int(to_utc(np.array([local]), named)[0]) if named else local
    if not found["sign"]:
        return local
    offset = timedelta(hours=int(found["ahead"]), minutes=int(found["minutes"] or 0))
    if offset > timedelta(hours=_FURTHEST_OFFSET_H) or int(found["minutes"] or 0) > 59:
        return NO_TIME
    offset = -offset if found["sign"] == "-" else offset
    if found["zone"] and not _has_offset(shown, offset, found["zone"]):
        return NO_TIME
    return local - offset // _MILLISECOND


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _has_offset(shown: datetime, offset: timedelta, zone: str) -> bool:
    """Return whether a clock in the zone is that far ahead of UTC when it shows this time."""
    try:
        return shown.replace(tzinfo=timezone(offset)).astimezone(ZoneInfo(zone)).utcoffset() == offset
    except OverflowError:
        return False


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
    wrong |= (
        (year < 1) | (month < 1) | (month > 12) | (day < 1) | (day > days) | (hour > 23) | (minute > 59) | (second > 59)
    )
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
