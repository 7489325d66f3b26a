"""Decoding primitives that work on many Avro records at once, and the field sheet that they fill.

Avro has no delimiters: where a field begins is known only when everything before it has been read. So each record
of a batch has its own position in the joined bytes, and every step moves all of them in one array operation.
Every step checks every record against its own end. A record that breaks a rule of the encoding stops there with a
verdict and does not affect the others: no byte past a record's end and no unchecked length is used.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Flags: TypeAlias = npt.NDArray[np.bool_]
Longs: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint64]

ABSENT = np.iinfo(np.int64).min
"""Marks a missing number; a missing text has the start -1."""

LOOKAHEAD_BYTES = 32
"""Bytes needed behind the last record: a step may read that far past an end before it checks it."""

_HIGH_BITS = np.uint64(0x8080808080808080)
_LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
# Masks for neighbouring groups of 7, 14 and 28 bits (lower, upper), and the gap between the two in bits.
_PAIRS = [
    (np.uint64(low), np.uint64(high), np.uint64(gap))
    for low, high, gap in (
        (0x007F007F007F007F, 0x7F007F007F007F00, 1),
        (0x00003FFF00003FFF, 0x3FFF00003FFF0000, 2),
        (0x000000000FFFFFFF, 0x0FFFFFFF00000000, 4),
    )
]


class Verdict(IntEnum):
    """The result of decoding a record."""

    OK = 0
    UNREADABLE = 1
    """Its bytes do not follow its schema."""
    SINGLY = 2
    """It must be read on its own: an array or map is long, or a field has an unusual type."""
    SKIPPED = 3
    """Not decoded: handled before."""


class FieldSheet:
    """The fields found in a batch, by field name; each array has one entry for each record.

    A text is stored as start and length in the joined bytes, as a symbol's number, as a whole number whose digits are
    the text, or as the start of a uuid's sixteen bytes.
    """

    def __init__(self, count: int) -> None:
        self.verdict: Bytes = np.zeros(count, np.uint8)
        self.starts: dict[str, Longs] = {}
        self.lengths: dict[str, Longs] = {}
        self.symbols: dict[str, Longs] = {}
        self.numbers: dict[str, Longs] = {}
        self.uuids: dict[str, Longs] = {}

    def text(self, name: str, rows: Longs, start: Longs, length: Longs) -> None:
        if name not in self.starts:
            self.starts[name] = np.full(self.verdict.size, -1, np.int64)
            self.lengths[name] = np.zeros(self.verdict.size, np.int64)
        self.starts[name][rows] = start
        self.lengths[name][rows] = length

    def symbol(self, name: str, rows: Longs, symbol: Longs) -> None:
        self._note(self.symbols, name, rows, symbol)

    def number(self, name: str, rows: Longs, value: Longs) -> None:
        self._note(self.numbers, name, rows, value)

    def uuid(self, name: str, rows: Longs, start: Longs) -> None:
        self._note(self.uuids, name, rows, start)

    def take(self, rows: Longs) -> "FieldSheet":
        """Return a sheet of these rows."""
        some = FieldSheet(0)
        some.verdict = self.verdict[rows]
        for kind in ("starts", "lengths", "symbols", "numbers", "uuids"):
            setattr(some, kind, {name: column[rows] for name, column in getattr(self, kind).items()})
        return some

    def _note(self, columns: dict[str, Longs], name: str, rows: Longs, value: Longs) -> None:
        if name not in columns:
            columns[name] = np.full(self.verdict.size, ABSENT, np.int64)
        columns[name][rows] = value


class Cursor:
    """Some records, each at its own position. `data` has LOOKAHEAD_BYTES behind the last record's end."""

    def __init__(
        self, sheet: FieldSheet, data: Bytes, rows: Longs, pos: Longs, end: Longs, depth: int = 0, nesting: int = 0
    ) -> None:
        """`depth` counts the arrays and maps around, `nesting` the types that lie within themselves."""
        self.sheet = sheet
        self.data = data
        self.rows = rows
        self.pos = pos
        self.end = end
        self.depth = depth
        self.nesting = nesting

    def fail(self, where: Flags, verdict: Verdict = Verdict.UNREADABLE) -> None:
        """Stop these records here. A record keeps its first verdict."""
        if not where.any():
            return
        rows = self.rows[where]
        seen = self.sheet.verdict[rows]
        self.sheet.verdict[rows] = np.where(seen == Verdict.OK, np.uint8(verdict), seen)
        self.pos = np.where(where, self.end, self.pos)

    def fail_all(self, verdict: Verdict) -> None:
        self.fail(np.ones(self.rows.size, np.bool_), verdict)

    def skip(self, length: Longs) -> tuple[Longs, Longs]:
        """Skip `length` bytes of each record. Returns their starts and lengths."""
        start = self.pos
        wrong = length.view(np.uint64) > (self.end - start).view(np.uint64)  # unsigned, a negative length is a huge one
        if wrong.any():
            length = np.where(wrong, 0, length)
            self.fail(wrong)
            start = np.where(wrong, self.end, start)
        self.pos = start + length
        return start, length

    def text(self) -> tuple[Longs, Longs]:
        """Read a length and skip that many bytes. Returns their starts and lengths."""
        byte = self.data[self.pos]
        if np.bitwise_or.reduce(byte, initial=0) & 0x81 == 0:  # usual: lengths of one byte, not negative
            length = (byte >> 1).astype(np.int64)
            start = self.pos + 1
            stop = start + length
            if (stop <= self.end).all():
                self.pos = stop
                return start, length
        return self.skip(self.long())

    def long(self) -> Longs:
        """Read a zig-zag number of at most ten bytes, as the Avro specification defines it."""
        byte = self.data[self.pos]
        if byte.max(initial=0) < 128:
            found = ((byte >> 1).view(np.int8) ^ -(byte & 1).view(np.int8)).astype(np.int64)
            self.pos = self.pos + 1
        else:
            value = self._multi_byte_words()
            found = (value >> 1).view(np.int64) ^ -(value & 1).view(np.int64)
        self.fail(self.pos > self.end)
        return found

    def _multi_byte_words(self) -> Words:
        """Read numbers of up to eight bytes at once: the lowest byte without its high bit is the last of its number."""
        word = word_at(self.data, self.pos)
        stops = ~word & _HIGH_BITS
        within = stops ^ (stops - 1)
        value = _join_seven_bits(word & within & _LOW_BITS)
        self.pos = self.pos + (np.bitwise_count(within) >> 3)
        if not stops.all():
            self._nine_byte_words(np.flatnonzero(stops == 0), value)
        return value

    def _nine_byte_words(self, which: Longs, value: Words) -> None:
        """Add the ninth and tenth byte of these; the tenth may hold one bit only."""
        ninth, tenth = self.data[self.pos[which]], self.data[self.pos[which] + 1]
        more = ninth > 127
        value[which] |= (ninth & 127).astype(np.uint64) << 56
        value[which] |= np.where(more, tenth & 1, 0).astype(np.uint64) << 63
        self.pos[which] += 1 + more
        wrong = np.zeros(self.rows.size, np.bool_)
        wrong[which] = more & (tenth > 1)
        self.fail(wrong)

    def matches(self, start: Longs, length: Longs, word: "KeyMatcher") -> Flags:
        """Return which of these texts equal the key."""
        found: Flags = length == word.size
        which = np.flatnonzero(found)
        if which.size:
            start = start[which]
            for place, within, letters in word.parts:
                found[which] &= (word_at(self.data, start + place) & within) == letters
        return found

    def part(self, which: Longs) -> "Cursor":
        """Return a cursor over some of these records, given by their index here."""
        return Cursor(
            self.sheet, self.data, self.rows[which], self.pos[which], self.end[which], self.depth, self.nesting
        )

    def only(self, which: Longs, decode: "Decoder") -> None:
        """Decode with some of these records; the others stay at their position."""
        if which.size == self.rows.size:
            decode(self)
        elif which.size:
            part = self.part(which)
            decode(part)
            self.pos[which] = part.pos


class KeyMatcher:
    """A map key as eight-byte words: for each its offset in the key, a mask for its bytes, and the bytes."""

    def __init__(self, word: bytes) -> None:
        self.size = len(word)
        self.parts = [
            (place, np.uint64((1 << 8 * len(part)) - 1), np.uint64(int.from_bytes(part, "little")))
            for place in range(0, len(word), 8)
            for part in [word[place : place + 8]]
        ]


Decoder: TypeAlias = Callable[[Cursor], None]
"""Moves every record of the cursor past one value, and may store the value in the sheet."""


def decode_nothing(at: Cursor) -> None:
    """Decode values that take no bytes."""


def word_at(data: Bytes, pos: Longs) -> Words:
    """Return the eight bytes from each position, the first as the lowest."""
    anywhere: Words = np.ndarray((data.size - 7,), "<u8", data, strides=(1,))
    return anywhere[pos].astype(np.uint64, copy=False)


def _join_seven_bits(word: Words) -> Words:
    """Return the lower seven bits of each byte, joined."""
    for low, high, gap in _PAIRS:
        word = (word & low) | ((word & high) >> gap)
    return word
