"""Reads values of one Avro record, strictly as the specification says: each function reads from a position on, and
returns the position behind the value."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from struct import unpack_from
from typing import Any, TypeAlias, TypeVar

from consumer.activity.avro.leaf_types import Leaf, Misfit
from consumer.config.sections.event_paths import Entry

T = TypeVar("T")

Found: TypeAlias = dict[str, tuple[Leaf | Misfit | None, Any]]
"""What lies at each path, by our names, with its type; of what lies within JSON the type is None."""

ValueReader: TypeAlias = Callable[[bytes, int, Found], int]


class Damaged(Exception):
    """The bytes do not follow the schema."""


class Unwanted(Exception):
    """The record is one of those that source.records leaves out."""


def refuse(data: bytes, at: int, found: Found) -> int:
    raise Unwanted


def nothing(data: bytes, at: int, found: Found) -> int:
    return at


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """Return a zig-zag number of at most ten bytes, and the position behind it."""
    byte = data[at]
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value = byte & 127
    for shift in range(7, 70, 7):
        at += 1
        byte = data[at]
        value |= (byte & 127) << shift
        if byte < 128:
            if value >= 2**64:
                raise Damaged
            return (value >> 1) ^ -(value & 1), at + 1
    raise Damaged


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = read_long(data, at)
    return cut(data, at, length)


def cut(data: bytes, at: int, length: int) -> tuple[bytes, int]:
    if not 0 <= length <= len(data) - at:
        raise Damaged
    return data[at : at + length], at + length


def skip_long(data: bytes, at: int, found: Found) -> int:
    return read_long(data, at)[1]


def skip_bytes(data: bytes, at: int, found: Found) -> int:
    length, at = read_long(data, at)
    if not 0 <= length <= len(data) - at:
        raise Damaged
    return at + length


def skip_fixed(size: int) -> ValueReader:
    def skip(data: bytes, at: int, found: Found) -> int:
        if size > len(data) - at:
            raise Damaged
        return at + size

    return skip if size else nothing


def value_reader(full: Any, kind: str) -> Callable[[bytes, int], tuple[Any, int]]:
    """Return a reader of values of a type that a leaf may have."""
    if kind in ("int", "long"):
        return read_long
    if kind == "double":
        return lambda data, at: (unpack_from("<d", cut(data, at, 8)[0])[0], at + 8)
    if kind == "fixed":
        return lambda data, at: cut(data, at, full["size"])
    return partial(read_symbol, full["symbols"]) if kind == "enum" else read_bytes


def read_symbol(symbols: Sequence[T], data: bytes, at: int) -> tuple[T, int]:
    """Return which of these the number at this position means: symbols of an enum, or branches of a union."""
    number, at = read_long(data, at)
    if not 0 <= number < len(symbols):
        raise Damaged
    return symbols[number], at


def sequence(members: Sequence[ValueReader]) -> ValueReader:
    steps = [member for member in members if member is not nothing]

    def read(data: bytes, at: int, found: Found) -> int:
        for step in steps:
            at = step(data, at, found)
        return at

    return read if steps else nothing


def union(branches: Sequence[ValueReader]) -> ValueReader:
    def read(data: bytes, at: int, found: Found) -> int:
        branch, at = read_symbol(branches, data, at)
        return branch(data, at, found)

    return read


def blocks(item: ValueReader) -> ValueReader:
    """Read an array or map: blocks of items until an empty one. A negative count is followed by the block's size."""

    def read(data: bytes, at: int, found: Found) -> int:
        while True:
            count, at = block_count(data, at)
            if not count:
                return at
            for _ in range(0 if item is nothing else count):
                at = item(data, at, found)

    return read


def block_count(data: bytes, at: int) -> tuple[int, int]:
    """Return how many items a block of an array or map has (none: it is the end), and the position of the first."""
    count, at = read_long(data, at)
    return (count, at) if count >= 0 else (-count, read_long(data, at)[1])


def map_entry(entries: Mapping[bytes, ValueReader], past: ValueReader) -> ValueReader:
    def read(data: bytes, at: int, found: Found) -> int:
        key, at = read_bytes(data, at)
        return entries.get(key, past)(data, at, found)

    return read


def elements(
    places: Mapping[int, ValueReader],
    entries: Mapping[Entry, tuple[ValueReader, ValueReader]],
    text_of_key: Callable[[Found], str | None],
    past: ValueReader,
) -> ValueReader:
    """Read an array some of whose elements are looked into: by position, or the first with a key."""

    def read(data: bytes, at: int, found: Found) -> int:
        number, open_entries = -1, dict(entries)

        def element(data: bytes, at: int, found: Found) -> int:
            nonlocal number
            number += 1
            behind = past(data, at, found)
            if number in places:
                places[number](data, at, found)
            for entry, (key, inside) in list(open_entries.items()):
                if text_of_key(_noted(key, data, at)) == entry.value:
                    inside(data, at, found)
                    del open_entries[entry]
            return behind

        return blocks(element)(data, at, found)

    return read


def _noted(key: ValueReader, data: bytes, at: int) -> Found:
    """Return what lies at the path of a key; nothing where it is damaged: the key alone makes no record unreadable."""
    noted: Found = {}
    try:
        key(data, at, noted)
    except Damaged:
        return {}
    return noted
