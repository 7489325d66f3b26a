"""Decoders for maps and arrays: blocks of items, the wanted entries of a map, the wanted elements of an array."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from consumer.activity.avro.cursor import Cursor, Decoder, FieldSheet, Flags, KeyMatcher, Longs, Verdict, decode_nothing
from consumer.activity.avro.field_decoders import FieldDecoders
from consumer.activity.avro.leaf_types import COMPARED_KEYS, Misfit, leaf_of
from consumer.activity.times.timestamps import TimeForm
from consumer.config.sections.event_paths import Entry

_WHOLE_NUMBER = re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)  # as `str` writes those that a long may hold
_MAX_ITEMS = 64  # array items up to which records are decoded together; an array inside an array gets an eighth


def blocks_decoder(item: Decoder) -> Decoder:
    """Decode an array or map: blocks of items until an empty one. A negative count is followed by the block's size."""

    def decode(at: Cursor) -> None:
        items = _decode_block(at, item, np.zeros(at.rows.size, np.int64))
        going = np.flatnonzero(items)
        items = items[going]
        while going.size:
            part = at.part(going) if going.size < at.rows.size else at
            count = _decode_block(part, item, items)
            if part is not at:
                at.pos[going] = part.pos
            items = (items + count)[count > 0]
            going = going[count > 0]

    return decode


def _decode_block(at: Cursor, item: Decoder, before: Longs) -> Longs:
    """Decode one block. Returns how many items each record had in it; `before` is how many it had in earlier ones.

    All blocks together are bounded: a step costs as much for one record as for hundreds.
    """
    count = at.long()
    at.only(np.flatnonzero(count < 0), _pass_size)
    count = np.abs(count)
    at.fail(count < 0)  # the one number whose negative is itself
    if item is decode_nothing:  # any number of items takes no time, but each block does
        at.fail((count > 0) & (before > 0), Verdict.SINGLY)
    else:
        at.fail(count > (_MAX_ITEMS >> (3 * at.depth)) - before, Verdict.SINGLY)
    count[at.sheet.verdict[at.rows] != Verdict.OK] = 0
    if item is decode_nothing:
        return count
    at.depth += 1
    for done in range(int(count.max(initial=0))):
        at.only(np.flatnonzero(count > done), item)
    at.depth -= 1
    return count


def _pass_size(at: Cursor) -> None:
    at.long()


def entry_decoder(keyed: Sequence[tuple[KeyMatcher, Decoder]], past: Decoder) -> Decoder:
    """Decode one map entry: skip all of them together, then decode again the few that have a wanted key."""

    def decode(at: Cursor) -> None:
        start, length = at.text()
        value = at.pos
        past(at)
        for key, step in keyed:
            _decode_again(at, value, at.matches(start, length, key), step)

    return decode


def elements_decoder(
    places: Mapping[int, Decoder], entries: Mapping[Entry, tuple["ElementKey", Decoder]], past: Decoder
) -> Decoder:
    """Decode an array: skip each element, then decode again those at a wanted position, and the first with a key."""

    def decode(at: Cursor) -> None:
        number = np.zeros(at.sheet.verdict.size, np.int64)
        is_open = {entry: np.ones(number.size, np.bool_) for entry in entries}

        def element(at: Cursor) -> None:
            begin = at.pos.copy()
            past(at)
            for place, step in places.items():
                _decode_again(at, begin, number[at.rows] == place, step)
            for entry, (key, step) in entries.items():
                meant = is_open[entry][at.rows]
                meant[meant] = key.matches(_cursor_at(at, begin, meant))
                _decode_again(at, begin, meant, step)
                is_open[entry][at.rows[meant]] = False
            number[at.rows] += 1

        blocks_decoder(element)(at)

    return decode


def _decode_again(at: Cursor, begin: Longs, meant: Flags, step: Decoder) -> None:
    if meant.any():
        step(_cursor_at(at, begin, meant))


def _cursor_at(at: Cursor, begin: Longs, which: Flags) -> Cursor:
    return Cursor(at.sheet, at.data, at.rows[which], begin[which], at.end[which], at.depth, at.nesting)


class ElementKey:
    """Tells which elements have a key of this value: text, a symbol or a whole number."""

    def __init__(self, decode: Decoder, symbols: Sequence[str], value: str) -> None:
        """`symbols` are all that `decode` stores."""
        self._decode = decode
        self._text = KeyMatcher(value.encode())
        self._symbol = symbols.index(value) if value in symbols else None
        self._number = int(value) if _WHOLE_NUMBER.fullmatch(value) else None

    def matches(self, at: Cursor) -> Flags:
        """Return which of the elements at the cursor have it."""
        sheet = FieldSheet(at.rows.size)
        self._decode(Cursor(sheet, at.data, np.arange(at.rows.size), at.pos, at.end, at.depth, at.nesting))
        found = np.zeros(at.rows.size, np.bool_)
        if _KEY in sheet.starts:
            texts = np.flatnonzero(sheet.starts[_KEY] >= 0)
            found[texts] = at.matches(sheet.starts[_KEY][texts], sheet.lengths[_KEY][texts], self._text)
        if _KEY in sheet.symbols and self._symbol is not None:
            found |= sheet.symbols[_KEY] == self._symbol
        if _KEY in sheet.numbers and self._number is not None:
            found |= sheet.numbers[_KEY] == self._number
        found &= sheet.verdict == Verdict.OK
        return found


_KEY = "event"
"""The field as which keys are decoded: it may be text, a symbol or a number."""


class ElementKeyFields(FieldDecoders):
    """Makes decoders of keys; None for a type that is not compared."""

    def __init__(self) -> None:
        super().__init__(TimeForm())

    def __call__(self, name: str, schema: Any) -> Decoder | None:
        leaf = leaf_of(name, schema, TimeForm())
        return None if isinstance(leaf, Misfit) or leaf.kind not in COMPARED_KEYS else super().__call__(name, schema)
