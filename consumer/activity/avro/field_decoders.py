"""Decoders for the fields of an activity: which Avro types each field may have, and how its value is stored."""

from typing import Any

import numpy as np

from consumer.activity import timestamps
from consumer.activity.avro.cursor import Cursor, Decoder, Verdict
from consumer.activity.avro.schema_compiler import type_of
from consumer.activity.iso8601 import NO_TIME, parse_common_form
from consumer.activity.row_reader import INTEGER_ALLOWED
from consumer.activity.rows import ending_of

_UNITS = {"timestamp-millis": "millis", "timestamp-micros": "micros", "timestamp-nanos": "nanos"}


class FieldDecoders:
    """Makes the decoders that store fields in a sheet."""

    def __init__(self, unit: str | None) -> None:
        self._unit = unit
        self._symbols: dict[str, int] = {}

    @property
    def symbols(self) -> list[str]:
        """All enum symbols of all schemas so far; sheets store indices into this list."""
        return list(self._symbols)

    def __call__(self, name: str, schema: Any) -> Decoder | None:
        """Return a decoder that stores the field `name`, or None if the field cannot have this type."""
        if name == "occurred_at":
            return self._time(schema)
        kind = type_of(schema)
        if name == "kind" and kind == "enum":
            return _kind(schema["symbols"])
        if kind == "enum" and name != "user_id":
            return self._symbol(name, schema["symbols"])
        if kind in ("int", "long") and name in INTEGER_ALLOWED:
            return _whole_number(name)
        return _text(name) if kind in ("string", "bytes") else None

    def _symbol(self, name: str, symbols: list[str]) -> Decoder | None:
        places = np.array([self._symbols.setdefault(symbol, len(self._symbols)) for symbol in symbols], np.int64)

        def decode(at: Cursor) -> None:
            symbol = at.long()
            wrong = (symbol < 0) | (symbol >= places.size)
            at.sheet.symbol(name, at.rows, places[np.where(wrong, 0, symbol)])
            at.fail(wrong)

        return decode if symbols else None

    def _time(self, schema: Any) -> Decoder | None:
        kind = type_of(schema)
        if kind in ("int", "long"):
            return _time_in_longs(unit_of(schema, self._unit)) if _is_moment(schema) else None
        if kind == "double":
            return _time_in_doubles(self._unit)
        return _time_in_texts if kind == "string" else None


def unit_of(schema: Any, otherwise: str | None) -> str | None:
    """Return the unit of a time: that of its logical type, else `otherwise`."""
    logical = schema.get("logicalType") if isinstance(schema, dict) else None
    return _UNITS.get(str(logical), otherwise)


def _is_moment(schema: Any) -> bool:
    """Return whether it is a moment in UTC; days, times of day and local times are not."""
    logical = schema.get("logicalType") if isinstance(schema, dict) else None
    return logical is None or logical in _UNITS


def _text(name: str) -> Decoder:
    """Store where a text lies. Bytes are read as UTF-8, as in Avro's schema resolution."""

    def decode(at: Cursor) -> None:
        start, length = at.text()
        at.sheet.text(name, at.rows, start, length)

    return decode


def _whole_number(name: str) -> Decoder:
    def decode(at: Cursor) -> None:
        at.sheet.number(name, at.rows, at.long())

    return decode


def _kind(symbols: list[str]) -> Decoder | None:
    """Store how each symbol ends the process."""
    endings = np.array([ending_of(symbol) for symbol in symbols], np.int64)

    def decode(at: Cursor) -> None:
        symbol = at.long()
        wrong = (symbol < 0) | (symbol >= endings.size)
        at.sheet.number("ending", at.rows, endings[np.where(wrong, 0, symbol)])
        at.fail(wrong)

    return decode if symbols else None


def _time_in_longs(unit: str | None) -> Decoder:
    def decode(at: Cursor) -> None:
        at.sheet.number("occurred_at", at.rows, timestamps.from_longs(at.long(), unit))

    return decode


def _time_in_doubles(unit: str | None) -> Decoder:
    def decode(at: Cursor) -> None:
        start, passed = at.skip(np.full(at.rows.size, 8))
        letters = at.data[start[:, None] + np.arange(8)]
        found = timestamps.from_doubles(letters.view("<f8")[:, 0], unit)
        at.sheet.number("occurred_at", at.rows, found)
        at.fail((found == NO_TIME) & (passed > 0), Verdict.SINGLY)

    return decode


def _time_in_texts(at: Cursor) -> None:
    """Store a time in the common form as a number, and any other as a text to be parsed later."""
    start, length = at.text()
    found = parse_common_form(at.data, start, length)
    at.sheet.number("occurred_at", at.rows, found)
    other = found == NO_TIME
    if other.any():
        at.sheet.text("occurred_at", at.rows[other], start[other], length[other])
