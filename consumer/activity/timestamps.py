"""Parses times in all the forms that are read into whole milliseconds.

A number is in the unit of its schema or of the configuration. If neither gives one, it is in the only unit in which it
lies between the years 2000 and 5138: the ranges of seconds, milli-, micro- and nanoseconds do not overlap there.
A text is ISO 8601, in UTC unless it has an offset. Fractions of a millisecond are dropped.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.activity.iso8601 import NO_TIME, WIDTH, parse_common_form
from consumer.clock import Millis

Longs: TypeAlias = npt.NDArray[np.int64]
Doubles: TypeAlias = npt.NDArray[np.float64]

_UNITS_PER_MS: Mapping[str, float] = {"seconds": 0.001, "millis": 1, "micros": 1_000, "nanos": 1_000_000}
_UNIT_LIMITS = (10**11, 10**14, 10**17)  # seconds, milliseconds, microseconds; from there on nanoseconds
_MAX_LONG = 2**63 - 1
_FORMATS = ("%+", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")  # forms that polars parses faster than Python does
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_longs(numbers: Longs, unit: str | None) -> Longs:
    """Return milliseconds of whole numbers; a number that is too large stays far outside of any valid time."""
    if unit is None:
        size = np.abs(numbers)
        units = [from_longs(numbers, name) for name in ("seconds", "millis", "micros")]
        return np.select([size < below for below in _UNIT_LIMITS], units, from_longs(numbers, "nanos"))
    if unit == "seconds":
        return np.clip(numbers, -_MAX_LONG // 1000 + 1, _MAX_LONG // 1000) * 1000
    return numbers if unit == "millis" else numbers // int(_UNITS_PER_MS[unit])


def from_doubles(numbers: Doubles, unit: str | None) -> Longs:
    """Return milliseconds of floats; NO_TIME for NaN and infinity."""
    with np.errstate(invalid="ignore", over="ignore"):
        if unit is None:
            places = np.searchsorted(np.array(_UNIT_LIMITS, np.float64), np.abs(numbers), side="right")
            scaled = numbers / np.array(list(_UNITS_PER_MS.values()))[places]
        else:
            scaled = numbers / _UNITS_PER_MS[unit]
        fits = np.abs(scaled) < 2.0**63
        return np.where(fits, np.rint(np.where(fits, scaled, 0)).astype(np.int64), NO_TIME)


def from_texts(texts: Sequence[str | None]) -> Longs:
    """Return milliseconds of texts; NO_TIME for nulls and for what is not ISO 8601."""
    filled = [text or "" for text in texts]
    length = np.fromiter(map(len, filled), np.int64, len(filled))
    letters = "".join(filled).encode("ascii", "replace")  # so that each character is one byte
    moments = parse_common_form(np.frombuffer(letters + bytes(WIDTH), np.uint8), np.cumsum(length) - length, length)
    left = np.flatnonzero((moments == NO_TIME) & (length > 0))
    for form in _FORMATS:
        if left.size:
            found = pl.Series([filled[place] for place in left.tolist()]).str.to_datetime(form, strict=False)
            moments[left] = found.dt.epoch("ms").fill_null(NO_TIME).to_numpy()
            left = left[moments[left] == NO_TIME]
    moments[left] = [_parse_iso(filled[place]) for place in left.tolist()]
    return moments


def from_any(values: Sequence[float | str | None], unit: str | None) -> Longs:
    """Return milliseconds of integers, floats and texts; NO_TIME for nulls and for what is not a time."""
    kinds = set(map(type, values))
    if kinds == {int}:
        try:
            return from_longs(np.array(values, np.int64), unit)
        except OverflowError:  # one of them does not fit into 64 bits
            found = [from_one(value, unit) for value in values if value is not None]
            return np.array([NO_TIME if moment is None else moment for moment in found], np.int64)
    if kinds == {str}:
        return from_texts(values)  # type: ignore[arg-type]
    moments = np.full(len(values), NO_TIME, np.int64)
    for kind in kinds - {type(None)}:
        which = [place for place, value in enumerate(values) if type(value) is kind]
        of_kind = [values[place] for place in which]
        alike = from_doubles(np.array(of_kind), unit) if kind is float else from_any(of_kind, unit)
        moments[which] = alike
    return moments


def column(moments: Longs) -> pl.Series:
    """Return a column with nulls for NO_TIME."""
    none = moments == NO_TIME
    found = pl.Series(moments)
    return found.set(pl.Series(none), None) if none.any() else found


def from_one(value: float | str, unit: str | None) -> Millis | None:
    """Return milliseconds of an integer, a float or a text; None for what is not a time."""
    if isinstance(value, str):
        moment = _parse_iso(value)
        found = moment if moment != NO_TIME else int(from_texts([value])[0])
    elif isinstance(value, float):
        found = int(from_doubles(np.array([value]), unit)[0])
    else:
        found = int(from_longs(np.array([value]), unit)[0]) if abs(value) <= _MAX_LONG else NO_TIME
    return None if found == NO_TIME else found


def _parse_iso(text: str) -> Millis:
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return NO_TIME
