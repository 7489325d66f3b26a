"""Decoders for the fields of an activity: how the values of each kind of leaf are stored in a sheet."""

from typing import Any

import numpy as np

from consumer.activity.avro.cursor import ABSENT, Cursor, Decoder, Flags, Longs, Verdict, word_at
from consumer.activity.avro.leaf_types import Leaf, LeafKind, Misfit, leaf_of
from consumer.activity.event_values import MAX_EXACT
from consumer.activity.rows import ending_of
from consumer.activity.times import timestamps
from consumer.activity.times.iso8601 import NO_TIME, parse_common_form
from consumer.activity.times.local_time import to_utc
from consumer.activity.times.timestamps import TimeForm


class FieldDecoders:
    """Makes the decoders that store fields in a sheet."""

    def __init__(self, times: TimeForm) -> None:
        self._times = times
        self._symbols: dict[str, int] = {}

    @property
    def symbols(self) -> list[str]:
        """All enum symbols of all schemas so far; sheets store indices into this list."""
        return list(self._symbols)

    def __call__(self, name: str, schema: Any) -> Decoder | None:
        """Return a decoder that stores the field `name`, or None if the field cannot have this type."""
        leaf = leaf_of(name, schema, self._times)
        if isinstance(leaf, Misfit):
            return None
        if leaf.kind is LeafKind.SYMBOL:
            return _kind(leaf.symbols) if name == "kind" else self._symbol(name, leaf.symbols)
        return self._decoder(name, leaf)

    def constant(self, name: str, symbol: str) -> Decoder:
        """Return a decoder that stores the same symbol for each record, and reads nothing."""
        number = self._symbols.setdefault(symbol, len(self._symbols))
        return lambda at: at.sheet.symbol(name, at.rows, np.full(at.rows.size, number))

    def _symbol(self, name: str, symbols: tuple[str, ...]) -> Decoder:
        places = np.array([self._symbols.setdefault(symbol, len(self._symbols)) for symbol in symbols], np.int64)

        def decode(at: Cursor) -> None:
            symbol = at.long()
            wrong = (symbol < 0) | (symbol >= places.size)
            at.sheet.symbol(name, at.rows, places[np.where(wrong, 0, symbol)])
            at.fail(wrong)

        return decode

    def _decoder(self, name: str, leaf: Leaf) -> Decoder:
        match leaf.kind:
            case LeafKind.WHOLE_NUMBER:
                return _whole_number(name)
            case LeafKind.DOUBLE:
                return _double(name)
            case LeafKind.DECIMAL:
                return _decimal(name, leaf.size)
            case LeafKind.UUID:
                return _uuid(name)
            case LeafKind.TIME_NUMBER:
                return _time_in_longs(leaf.unit, None)
            case LeafKind.LOCAL_TIME_NUMBER:
                return _time_in_longs(leaf.unit, self._times.zone)
            case LeafKind.TIME_DOUBLE:
                return _time_in_doubles(self._times.unit)
            case LeafKind.TIME_TEXT:
                return _time_in_texts
            case _:
                return _text(name)


def _text(name: str) -> Decoder:
    """Store where a text lies. Bytes are read as UTF-8, as in Avro's schema resolution."""

    def decode(at: Cursor) -> None:
        start, length = at.text()
        at.sheet.text(name, at.rows, start, length)

    return decode


def _whole_number(name: str) -> Decoder:
    def decode(at: Cursor) -> None:
        _store_number(at, name, at.long())

    return decode


def _store_number(at: Cursor, name: str, number: Longs, odd: Flags | None = None) -> None:
    """Store numbers; those that are `odd`, or look like a missing one, are read singly."""
    at.sheet.number(name, at.rows, number)
    missing = number == ABSENT
    at.fail(missing if odd is None else missing | odd, Verdict.SINGLY)


def _double(name: str) -> Decoder:
    def decode(at: Cursor) -> None:
        found = _doubles(at)
        whole = np.abs(found) < MAX_EXACT
        number = np.where(whole, found, 0).astype(np.int64)
        _store_number(at, name, number, number != found)

    return decode


def _decimal(name: str, size: int | None) -> Decoder:
    """Store decimals of at most eight bytes, two's complement and big-endian; longer ones are read singly."""

    def decode(at: Cursor) -> None:
        start, length = at.text() if size is None else at.skip(np.full(at.rows.size, size))
        short = (length > 0) & (length <= 8)
        word = word_at(at.data, start).byteswap().view(np.int64)
        number = word >> np.where(short, 64 - 8 * length, 0)
        _store_number(at, name, number, ~short)

    return decode


def _uuid(name: str) -> Decoder:
    def decode(at: Cursor) -> None:
        start, _ = at.skip(np.full(at.rows.size, 16))
        at.sheet.uuid(name, at.rows, start)

    return decode


def _kind(symbols: tuple[str, ...]) -> Decoder:
    """Store how each symbol ends the process."""
    endings = np.array([ending_of(symbol) for symbol in symbols], np.int64)

    def decode(at: Cursor) -> None:
        symbol = at.long()
        wrong = (symbol < 0) | (symbol >= endings.size)
        at.sheet.number("ending", at.rows, endings[np.where(wrong, 0, symbol)])
        at.fail(wrong)

    return decode


def _time_in_longs(unit: str | None, zone: str | None) -> Decoder:
    """`zone` is that of local times; None for moments."""

    def decode(at: Cursor) -> None:
        moment = timestamps.from_longs(at.long(), unit)
        _store_number(at, "occurred_at", to_utc(moment, zone) if zone else moment)

    return decode


def _time_in_doubles(unit: str | None) -> Decoder:
    def decode(at: Cursor) -> None:
        found = timestamps.from_doubles(_doubles(at), unit)
        at.sheet.number("occurred_at", at.rows, found)
        at.fail(found == NO_TIME, Verdict.SINGLY)

    return decode


def _time_in_texts(at: Cursor) -> None:
    """Store a time in the common form as a number, and any other as a text to be parsed later."""
    start, length = at.text()
    found = parse_common_form(at.data, start, length)
    at.sheet.number("occurred_at", at.rows, found)
    other = found == NO_TIME
    if other.any():
        at.sheet.text("occurred_at", at.rows[other], start[other], length[other])


def _doubles(at: Cursor) -> timestamps.Doubles:
    """Read a double of each record; whatever lies there of one that ends before."""
    start, _ = at.skip(np.full(at.rows.size, 8))
    return word_at(at.data, start).view(np.float64)
