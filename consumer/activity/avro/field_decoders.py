"""The fields of an activity in Avro: which types each may have, and how a walk notes it."""

from typing import Any

import numpy as np

from consumer.activity import timestamps
from consumer.activity.avro.cursor import Cursor, Verdict, Walk
from consumer.activity.avro.schema_compiler import type_of
from consumer.activity.iso8601 import NO_TIME, usual_form
from consumer.activity.row_reader import NUMBERED
from consumer.activity.rows import ending_of

_UNITS = {"timestamp-millis": "millis", "timestamp-micros": "micros", "timestamp-nanos": "nanos"}


class FieldDecoders:
    """Notes fields on sheets."""

    def __init__(self, unit: str | None) -> None:
        self._unit = unit
        self._symbols: dict[str, int] = {}

    @property
    def symbols(self) -> list[str]:
        """All symbols of enums met so far, in whatever schema; sheets have their places in it."""
        return list(self._symbols)

    def __call__(self, name: str, schema: Any) -> Walk | None:
        """A walk that notes the field `name`, or None where it cannot be of this type."""
        if name == "occurred_at":
            return self._time(schema)
        kind = type_of(schema)
        if name == "kind" and kind == "enum":
            return _kind(schema["symbols"])
        if kind == "enum" and name != "user_id":
            return self._symbol(name, schema["symbols"])
        if kind in ("int", "long") and name in NUMBERED:
            return _whole_number(name)
        return _text(name) if kind in ("string", "bytes") else None

    def _symbol(self, name: str, symbols: list[str]) -> Walk | None:
        places = np.array([self._symbols.setdefault(symbol, len(self._symbols)) for symbol in symbols], np.int64)

        def walk(at: Cursor) -> None:
            symbol = at.long()
            wrong = (symbol < 0) | (symbol >= places.size)
            at.sheet.symbol(name, at.rows, places[np.where(wrong, 0, symbol)])
            at.fail(wrong)

        return walk if symbols else None

    def _time(self, schema: Any) -> Walk | None:
        kind = type_of(schema)
        if kind in ("int", "long"):
            return _time_in_longs(unit_of(schema, self._unit)) if _is_moment(schema) else None
        if kind == "double":
            return _time_in_doubles(self._unit)
        return _time_in_texts if kind == "string" else None


def unit_of(schema: Any, otherwise: str | None) -> str | None:
    """The unit of a time: what its logical type says, else what is told otherwise."""
    logical = schema.get("logicalType") if isinstance(schema, dict) else None
    return _UNITS.get(str(logical), otherwise)


def _is_moment(schema: Any) -> bool:
    """Days, times of day and local times are no moments in UTC."""
    logical = schema.get("logicalType") if isinstance(schema, dict) else None
    return logical is None or logical in _UNITS


def _text(name: str) -> Walk:
    """Notes where a text is. Bytes are read as UTF-8, as Avro's resolution has it."""

    def walk(at: Cursor) -> None:
        start, length = at.text()
        at.sheet.text(name, at.rows, start, length)

    return walk


def _whole_number(name: str) -> Walk:
    def walk(at: Cursor) -> None:
        at.sheet.number(name, at.rows, at.long())

    return walk


def _kind(symbols: list[str]) -> Walk | None:
    """Notes how it ends the process."""
    endings = np.array([ending_of(symbol) for symbol in symbols], np.int64)

    def walk(at: Cursor) -> None:
        symbol = at.long()
        wrong = (symbol < 0) | (symbol >= endings.size)
        at.sheet.number("ending", at.rows, endings[np.where(wrong, 0, symbol)])
        at.fail(wrong)

    return walk if symbols else None


def _time_in_longs(unit: str | None) -> Walk:
    def walk(at: Cursor) -> None:
        at.sheet.number("occurred_at", at.rows, timestamps.from_longs(at.long(), unit))

    return walk


def _time_in_doubles(unit: str | None) -> Walk:
    def walk(at: Cursor) -> None:
        start, passed = at.skip(np.full(at.rows.size, 8))
        letters = at.data[start[:, None] + np.arange(8)]
        found = timestamps.from_doubles(letters.view("<f8")[:, 0], unit)
        at.sheet.number("occurred_at", at.rows, found)
        at.fail((found == NO_TIME) & (passed > 0), Verdict.ALONE)

    return walk


def _time_in_texts(at: Cursor) -> None:
    """Notes a time in the usual form, and what may be one in another form as a text."""
    start, length = at.text()
    found = usual_form(at.data, start, length)
    at.sheet.number("occurred_at", at.rows, found)
    other = found == NO_TIME
    if other.any():
        at.sheet.text("occurred_at", at.rows[other], start[other], length[other])
