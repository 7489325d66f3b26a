"""Parses times in all the forms that are read into whole milliseconds.

A number is in the unit of its schema or of the configuration. If neither gives one, it is in the only unit in which it
lies between the years 2000 and 2286: the ranges of seconds, milli-, micro- and nanoseconds do not overlap there, and
20260921101530, which lies between them, may be a date. A text is ISO 8601 (`iso8601.py`), or a number. Fractions of a
millisecond are dropped.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.activity.times.iso8601 import NO_TIME, WIDTH, parse_common_form, parse_iso
from consumer.activity.times.local_time import to_utc
from consumer.clock import Millis

Longs: TypeAlias = npt.NDArray[np.int64]
Doubles: TypeAlias = npt.NDArray[np.float64]

_UNITS_PER_MS: Mapping[str, float] = {"seconds": 0.001, "millis": 1, "micros": 1_000, "nanos": 1_000_000}
_UNIT_LIMITS = (10**11, 10**14, 10**17)  # seconds, milliseconds, microseconds; from there on nanoseconds
_YEAR_2286: Millis = 10**13
_MAX_LONG = 2**63 - 1
_DATE_TIME = r"^[1-9]\d{3}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
_FORMS = (  # forms that polars parses faster than Python does; its own grammar is wider than ours
    (_DATE_TIME + r"(Z|[+-](0\d|1[0-3]):[0-5]\d)$", "%+", False),
    (_DATE_TIME.replace("[T ]", "T") + "$", "%Y-%m-%dT%H:%M:%S%.f", True),
    (_DATE_TIME.replace("[T ]", " ") + "$", "%Y-%m-%d %H:%M:%S%.f", True),
)
_NUMBER = re.compile(r"(\d{1,19})(\.\d{1,9})?", re.ASCII)
_DIGITS = {10: "seconds", 13: "millis", 16: "micros", 19: "nanos"}
"""The units of numbers from 2001 to 2286 by how many digits they have; fewer or more could be a date."""


class TimeForm(NamedTuple):
    """How times are read that do not say it themselves."""

    unit: str | None = None
    """The unit of numbers: `seconds`, `millis`, `micros` or `nanos`; None if it follows from each number's size."""
    zone: str | None = None
    """The time zone of texts without an offset; None means UTC."""


def from_longs(numbers: Longs, unit: str | None) -> Longs:
    """Return milliseconds of whole numbers; NO_TIME for a number whose unit cannot be guessed. One that is too large in
    its unit stays far outside of any valid time."""
    if unit is None:
        size = np.abs(numbers)
        units = [from_longs(numbers, name) for name in ("seconds", "millis", "micros")]
        return _certain(np.select([size < below for below in _UNIT_LIMITS], units, from_longs(numbers, "nanos")))
    if unit == "seconds":
        return np.clip(numbers, -_MAX_LONG // 1000 + 1, _MAX_LONG // 1000) * 1000
    return numbers if unit == "millis" else numbers // int(_UNITS_PER_MS[unit])


def from_doubles(numbers: Doubles, unit: str | None) -> Longs:
    """Return milliseconds of floats; NO_TIME for NaN and infinity, and where the unit cannot be guessed."""
    with np.errstate(invalid="ignore", over="ignore"):
        if unit is None:
            places = np.searchsorted(np.array(_UNIT_LIMITS, np.float64), np.abs(numbers), side="right")
            scaled = numbers / np.array(list(_UNITS_PER_MS.values()))[places]
        else:
            scaled = numbers / _UNITS_PER_MS[unit]
        fits = np.abs(scaled) < 2.0**63
        found: Longs = np.where(fits, np.rint(np.where(fits, scaled, 0)).astype(np.int64), NO_TIME)
        return _certain(found) if unit is None else found


def _certain(guessed: Longs) -> Longs:
    return np.where(guessed < _YEAR_2286, guessed, NO_TIME)


def from_texts(texts: Sequence[str | None], form: TimeForm) -> Longs:
    """Return milliseconds of texts; NO_TIME for nulls and for what is not certainly a time."""
    filled = [text or "" for text in texts]
    length = np.fromiter(map(len, filled), np.int64, len(filled))
    letters = "".join(filled).encode("ascii", "replace")  # so that each character is one byte
    moments = parse_common_form(np.frombuffer(letters + bytes(WIDTH), np.uint8), np.cumsum(length) - length, length)
    left = np.flatnonzero((moments == NO_TIME) & (length > 0))
    for pattern, layout, is_local in _FORMS:
        if left.size:
            written = pl.Series([filled[place] for place in left.tolist()])
            matching = written.set(~written.str.contains(pattern), None)
            found = matching.str.to_datetime(layout, strict=False).dt.epoch("ms").fill_null(NO_TIME).to_numpy()
            read = np.flatnonzero(found != NO_TIME)
            moments[left[read]] = to_utc(found[read], form.zone) if is_local and form.zone else found[read]
            left = left[found == NO_TIME]
    moments[left] = [_from_text(filled[place], form) for place in left.tolist()]
    return moments


def from_any(values: Sequence[float | str | None], form: TimeForm) -> Longs:
    """Return milliseconds of integers, floats and texts; NO_TIME for nulls and for what is not a time."""
    kinds = set(map(type, values))
    if kinds == {int}:
        try:
            return from_longs(np.array(values, np.int64), form.unit)
        except OverflowError:  # one of them does not fit into 64 bits
            found = [from_one(value, form) for value in values if value is not None]
            return np.array([NO_TIME if moment is None else moment for moment in found], np.int64)
    if kinds == {str}:
        return from_texts(values, form)  # type: ignore[arg-type]
    moments = np.full(len(values), NO_TIME, np.int64)
    for kind in kinds - {type(None)}:
        which = [place for place, value in enumerate(values) if type(value) is kind]
        of_kind = [values[place] for place in which]
        alike = from_doubles(np.array(of_kind), form.unit) if kind is float else from_any(of_kind, form)
        moments[which] = alike
    return moments


def column(moments: Longs) -> pl.Series:
    """Return a column with nulls for NO_TIME."""
    none = moments == NO_TIME
    found = pl.Series(moments)
    return found.set(pl.Series(none), None) if none.any() else found


def from_one(value: float | str, form: TimeForm) -> Millis | None:
    """Return milliseconds of an integer, a float or a text; None for what is not a time."""
    if isinstance(value, str):
        found = _from_text(value, form)
    elif isinstance(value, float):
        found = int(from_doubles(np.array([value]), form.unit)[0])
    else:
        found = int(from_longs(np.array([value]), form.unit)[0]) if -_MAX_LONG - 1 <= value <= _MAX_LONG else NO_TIME
    return None if found == NO_TIME else found


def _from_text(text: str, form: TimeForm) -> Millis:
    number = _NUMBER.fullmatch(text)
    unit = form.unit or (_DIGITS.get(len(number[1])) if number else None)
    if number is None or unit is None:
        return parse_iso(text, form.zone)
    if number[2]:
        return int(from_doubles(np.array([float(text)]), unit)[0])
    return int(from_longs(np.array([int(text)]), unit)[0]) if int(text) <= _MAX_LONG else NO_TIME
