"""Positions in many Avro records at once, and the sheet on which a walk through them notes what it finds.

Avro has no delimiters: where a field begins is known only when everything before it has been read. So each record
of a batch has its own position in the joined bytes, and every step moves all of them, as one operation on arrays.
Every step checks every record against its own end. A record that breaks a rule of the encoding stops there with a
verdict, and no other record can tell: what lies past a record's end is never believed, and neither is a length.
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
"""A number that a record does not have; a text that it does not have starts at -1."""

SPARE = 32
"""Bytes that joined records need after the last one's end: a step may look that far past it before it knows."""

_HIGH_BITS = np.uint64(0x8080808080808080)
_LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
# Neighbours of 7, 14 and 28 bits, the lower and the upper of each pair, and how far apart they are.
_PAIRS = [
    (np.uint64(low), np.uint64(high), np.uint64(gap))
    for low, high, gap in (
        (0x007F007F007F007F, 0x7F007F007F007F00, 1),
        (0x00003FFF00003FFF, 0x3FFF00003FFF0000, 2),
        (0x000000000FFFFFFF, 0x0FFFFFFF00000000, 4),
    )
]


class Verdict(IntEnum):
    """What became of a record."""

    FINE = 0
    UNREADABLE = 1
    """Its bytes do not follow its schema."""
    ALONE = 2
    """It must be read by itself: it repeats a lot, or a field is not what it should be."""
    ASIDE = 3
    """Not walked: judged before."""


class Sheet:
    """What is found in the records of a batch, by name of the field: one entry in each array for each record.

    A text is noted as where it starts and its length, or as the number of a symbol, or as a whole number to be
    written out.
    """

    def __init__(self, count: int) -> None:
        self.verdict: Bytes = np.zeros(count, np.uint8)
        self.starts: dict[str, Longs] = {}
        self.lengths: dict[str, Longs] = {}
        self.symbols: dict[str, Longs] = {}
        self.numbers: dict[str, Longs] = {}

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

    def _note(self, columns: dict[str, Longs], name: str, rows: Longs, value: Longs) -> None:
        if name not in columns:
            columns[name] = np.full(self.verdict.size, ABSENT, np.int64)
        columns[name][rows] = value


class Cursor:
    """Some records, each at its own position. `data` has SPARE bytes after the last record's end."""

    def __init__(self, sheet: Sheet, data: Bytes, rows: Longs, pos: Longs, end: Longs, depth: int = 0) -> None:
        self.sheet = sheet
        self.data = data
        self.rows = rows
        self.pos = pos
        self.end = end
        self.depth = depth

    def fail(self, where: Flags, verdict: Verdict = Verdict.UNREADABLE) -> None:
        """These records stop here. A record's first verdict stands."""
        if not where.any():
            return
        rows = self.rows[where]
        seen = self.sheet.verdict[rows]
        self.sheet.verdict[rows] = np.where(seen == Verdict.FINE, np.uint8(verdict), seen)
        self.pos = np.where(where, self.end, self.pos)

    def fail_all(self, verdict: Verdict) -> None:
        self.fail(np.ones(self.rows.size, np.bool_), verdict)

    def skip(self, length: Longs) -> tuple[Longs, Longs]:
        """Pass so many bytes. Returns where they start and how many there are."""
        start = self.pos
        wrong = length.view(np.uint64) > (self.end - start).view(np.uint64)  # as such a negative length is a huge one
        if wrong.any():
            length = np.where(wrong, 0, length)
            self.fail(wrong)
            start = np.where(wrong, self.end, start)
        self.pos = start + length
        return start, length

    def text(self) -> tuple[Longs, Longs]:
        """Pass a length and so many bytes. Returns where they start and how many there are."""
        byte = self.data[self.pos]
        if np.bitwise_or.reduce(byte, initial=0) & 0x81 == 0:  # as most are: a length of one byte, and not negative
            length = (byte >> 1).astype(np.int64)
            start = self.pos + 1
            stop = start + length
            if (stop <= self.end).all():
                self.pos = stop
                return start, length
        return self.skip(self.long())

    def long(self) -> Longs:
        """A zig-zag number of at most ten bytes, as the Avro specification has it."""
        byte = self.data[self.pos]
        if byte.max(initial=0) < 128:
            found = ((byte >> 1).view(np.int8) ^ -(byte & 1).view(np.int8)).astype(np.int64)
            self.pos = self.pos + 1
        else:
            value = self._longer()
            found = (value >> 1).view(np.int64) ^ -(value & 1).view(np.int64)
        self.fail(self.pos > self.end)
        return found

    def _longer(self) -> Words:
        """Numbers of up to eight bytes in one go: the lowest byte without its high bit is a number's last."""
        word = _word_at(self.data, self.pos)
        stops = ~word & _HIGH_BITS
        within = stops ^ (stops - 1)
        value = _sevens_together(word & within & _LOW_BITS)
        self.pos = self.pos + (np.bitwise_count(within) >> 3)
        if not stops.all():
            self._longest(np.flatnonzero(stops == 0), value)
        return value

    def _longest(self, which: Longs, value: Words) -> None:
        """The ninth and tenth byte of these, of which the last has room for one bit."""
        ninth, tenth = self.data[self.pos[which]], self.data[self.pos[which] + 1]
        more = ninth > 127
        value[which] |= (ninth & 127).astype(np.uint64) << 56
        value[which] |= np.where(more, tenth & 1, 0).astype(np.uint64) << 63
        self.pos[which] += 1 + more
        wrong = np.zeros(self.rows.size, np.bool_)
        wrong[which] = more & (tenth > 1)
        self.fail(wrong)

    def spell(self, start: Longs, length: Longs, word: "Spelling") -> Flags:
        """Whose text of this start and length is this word?"""
        found: Flags = length == word.size
        which = np.flatnonzero(found)
        if which.size:
            start = start[which]
            for place, within, letters in word.parts:
                found[which] &= (_word_at(self.data, start + place) & within) == letters
        return found

    def part(self, which: Longs) -> "Cursor":
        """Some of these records, given by their place here."""
        return Cursor(self.sheet, self.data, self.rows[which], self.pos[which], self.end[which], self.depth)

    def only(self, which: Longs, walk: "Walk") -> None:
        """Walk with some of these records; the others stay where they are."""
        if which.size == self.rows.size:
            walk(self)
        elif which.size:
            part = self.part(which)
            walk(part)
            self.pos[which] = part.pos


class Spelling:
    """A word, eight bytes at a time: where they are in it, a mask for as many as there are, and the bytes."""

    def __init__(self, word: bytes) -> None:
        self.size = len(word)
        self.parts = [
            (place, np.uint64((1 << 8 * len(part)) - 1), np.uint64(int.from_bytes(part, "little")))
            for place in range(0, len(word), 8)
            for part in [word[place : place + 8]]
        ]


Walk: TypeAlias = Callable[[Cursor], None]
"""Passes one value of every record of the cursor, perhaps noting it on the sheet."""


def nothing(at: Cursor) -> None:
    """Values of this type take no bytes."""


def _word_at(data: Bytes, pos: Longs) -> Words:
    """Eight bytes from each position, the first as the lowest."""
    anywhere: Words = np.ndarray((data.size - 7,), "<u8", data, strides=(1,))
    return anywhere[pos].astype(np.uint64, copy=False)


def _sevens_together(word: Words) -> Words:
    """The lower seven bits of each byte, next to each other."""
    for low, high, gap in _PAIRS:
        word = (word & low) | ((word & high) >> gap)
    return word
