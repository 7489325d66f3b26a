"""Reading many Avro records at once: all of them side by side, one field after the other.

Avro has no delimiters: where a field begins is known only when everything before it has been read. So each record
of a batch has its own position in the joined bytes, and every step moves all of them, as one operation on arrays.
Every step checks every record against its own end. A record that breaks a rule of the encoding stops there with a
verdict, and no other record can tell: nothing is ever read across a record's end, and no length is believed.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Flags: TypeAlias = npt.NDArray[np.bool_]
Longs: TypeAlias = npt.NDArray[np.int64]

ABSENT = np.iinfo(np.int64).min
"""A number that a record does not have; a text that it does not have starts at -1."""


class Verdict(IntEnum):
    """What became of a record."""

    FINE = 0
    UNREADABLE = 1
    """Its bytes do not follow its schema."""
    MISFIT = 2
    """A wanted field has a type that cannot be what is wanted."""
    ALONE = 3
    """It must be read by itself: it repeats too much for reading side by side to be worth it."""
    ASIDE = 4
    """Not walked: judged before."""


class Sheet:
    """What is found in the records of a batch, by name of the field: one entry in each array for each record."""

    def __init__(self, count: int, texts: Iterable[str], numbers: Iterable[str]) -> None:
        self.verdict: Bytes = np.zeros(count, np.uint8)
        self.starts = {name: np.full(count, -1, np.int64) for name in texts}
        self.lengths = {name: np.zeros(count, np.int64) for name in texts}
        self.numbers = {name: np.full(count, ABSENT, np.int64) for name in numbers}


class Cursor:
    """Some records, each at its own position. `data` needs a byte to spare after the last record's end."""

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
        self.pos[where] = self.end[where]

    def fail_all(self, verdict: Verdict) -> None:
        self.fail(np.ones(self.rows.size, np.bool_), verdict)

    def skip(self, length: Longs | int) -> tuple[Longs, Longs]:
        """Pass so many bytes. Returns where they start and how many there are."""
        start = self.pos
        wanted = np.broadcast_to(np.asarray(length, np.int64), start.shape)
        wrong = (wanted < 0) | (wanted > self.end - start)
        passed = np.where(wrong, 0, wanted) if wrong.any() else wanted
        self.pos = start + passed
        self.fail(wrong)
        return start, passed

    def long(self) -> Longs:
        """A zig-zag number of at most ten bytes, as the Avro specification has it."""
        byte = self._byte(np.True_)
        value = (byte & 127).astype(np.uint64)
        more = byte > 127
        for shift in range(7, 70, 7):
            if not more.any():
                break
            byte = self._byte(more)
            if shift == 63:  # the tenth byte has room for one bit
                self.fail(more & (byte > 1))
            value |= (byte & 127).astype(np.uint64) << np.uint64(shift)
            more = byte > 127
        return (value >> np.uint64(1)).view(np.int64) ^ -(value & np.uint64(1)).view(np.int64)

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

    def _byte(self, where: Flags | np.bool_) -> Bytes:
        """One byte of these records, and 0 of the others."""
        past = (self.pos >= self.end) & where
        byte = self.data[self.pos] * where
        self.pos = self.pos + where
        self.fail(past)
        return byte


Walk: TypeAlias = Callable[[Cursor], None]
"""Passes one value of every record of the cursor, perhaps noting it on the sheet."""

Leaf: TypeAlias = Callable[[Any], Walk | None]
"""For the schema of a wanted field (never a union): a walk that notes it, or None where it does not fit."""

_FIXED_SIZES = {"boolean": 1, "float": 4, "double": 8}
_LONGEST = 64  # items of an array that are still read side by side; an array inside an array gets an eighth


def record_walk(schema: Any, named: Mapping[str, Any], leaves: Mapping[str, Leaf]) -> Walk:
    """A walk through records of this schema (as fastavro parsed it) that notes its wanted fields, and their end."""
    types = _Types(named)
    steps = [
        types.noting(f["type"], leaves[f["name"]]) if f["name"] in leaves else types.passing(f["type"])
        for f in schema["fields"]
    ]

    def walk(at: Cursor) -> None:
        for step in steps:
            step(at)
        at.fail(at.pos != at.end)

    return walk


def nothing(at: Cursor) -> None:
    """Values of this type take no bytes."""


def misfit(at: Cursor) -> None:
    at.fail_all(Verdict.MISFIT)


class _Types:
    """Makes walks of types. None of them contains itself: `avsc.parse` refuses those."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._made: dict[str, Walk] = {}

    def noting(self, schema: Any, leaf: Leaf) -> Walk:
        if isinstance(schema, list):
            return _union([self.noting(branch, leaf) for branch in schema])
        kind = type_of(schema)
        return nothing if kind == "null" else leaf(self._named.get(kind, schema)) or misfit

    def passing(self, schema: Any) -> Walk:
        if isinstance(schema, list):
            return _union([self.passing(branch) for branch in schema])
        kind = type_of(schema)
        if kind in ("record", "error", "enum", "fixed"):
            return self._named_type(schema)
        if kind in ("array", "map"):
            return _blocks(self._item(schema, kind))
        if kind in self._named:
            return self._made.get(kind) or self.passing(self._named[kind])
        if kind in _FIXED_SIZES:
            return _sized(_FIXED_SIZES[kind])
        return {"null": nothing, "int": _number, "long": _number, "bytes": _lengthy, "string": _lengthy}[kind]

    def _named_type(self, schema: Any) -> Walk:
        made = self._made[schema["name"]] = self._body(schema)
        return made

    def _body(self, schema: Any) -> Walk:
        if schema["type"] == "enum":
            return _number
        if schema["type"] == "fixed":
            return _sized(schema["size"])
        return _sequence([self.passing(f["type"]) for f in schema["fields"]])

    def _item(self, schema: Any, kind: str) -> Walk:
        return (
            self.passing(schema["items"]) if kind == "array" else _sequence([_lengthy, self.passing(schema["values"])])
        )


def type_of(schema: Any) -> str:
    """The name of a type, however it is written; a union is not asked."""
    return type_of(schema["type"]) if isinstance(schema, dict) else str(schema)


def _number(at: Cursor) -> None:
    at.long()


def _lengthy(at: Cursor) -> None:
    at.skip(at.long())


def _sized(size: int) -> Walk:
    def walk(at: Cursor) -> None:
        at.skip(size)

    return walk if size else nothing


def _sequence(walks: list[Walk]) -> Walk:
    steps = [walk for walk in walks if walk is not nothing]

    def walk(at: Cursor) -> None:
        for step in steps:
            step(at)

    return walk if steps else nothing


def _union(branches: list[Walk]) -> Walk:
    def walk(at: Cursor) -> None:
        branch = at.long()
        at.fail((branch < 0) | (branch >= len(branches)))
        for number, step in enumerate(branches):
            if step is not nothing:
                at.only(np.flatnonzero(branch == number), step)

    return walk


def _blocks(item: Walk) -> Walk:
    """Arrays and maps: blocks of items until one is empty. A negative count is followed by the block's size."""

    def block(at: Cursor) -> Longs:
        count = at.long()
        at.only(np.flatnonzero(count < 0), _number)
        count = np.abs(count)
        at.fail(count > _LONGEST >> (3 * at.depth), Verdict.ALONE)
        at.fail(count < 0)  # the one number whose negative is itself
        count[at.sheet.verdict[at.rows] != Verdict.FINE] = 0
        at.depth += 1
        for done in range(int(count.max(initial=0))):
            at.only(np.flatnonzero(count > done), item)
        at.depth -= 1
        return count

    def walk(at: Cursor) -> None:
        going = np.arange(at.rows.size)
        while going.size:
            part = at.part(going)
            count = block(part)
            at.pos[going] = part.pos
            going = going[count > 0]

    return walk
