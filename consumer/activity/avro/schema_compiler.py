"""Compiles a writer's schema and the wanted field paths into one decoder for all records of a batch.

Everything else in the schema is skipped without being decoded. See cursor.py for how decoders work.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from consumer.activity.avro.cursor import Cursor, Decoder, KeyMatcher, Longs, Verdict, decode_nothing
from consumer.activity.field_paths import Node, Path, Tree

FieldDecoderFactory: TypeAlias = Callable[[str, Any], Decoder | None]
"""Takes a field's name and the schema found for it (never a union); returns its decoder, or None if it does not fit."""

_FIXED_SIZES = {"boolean": 1, "float": 4, "double": 8}
_MAX_ITEMS = 64  # array items up to which records are decoded together; an array inside an array gets an eighth


def compile_record_decoder(
    schema: Any, named: Mapping[str, Any], tree: Tree, field_decoder: FieldDecoderFactory
) -> Decoder:
    """Return a decoder for records of this schema (parsed by fastavro) that stores what lies at the tree's paths."""
    through = _SchemaCompiler(named, field_decoder).extracting(schema, tree)

    def decode(at: Cursor) -> None:
        through(at)
        at.fail(at.pos != at.end)

    return decode


def schemas_at(schema: Any, named: Mapping[str, Any], path: Path) -> list[Any]:
    """Return the schemas other than null that the path may lead to; none if there is no such path."""
    if isinstance(schema, list):
        return [found for branch in schema for found in schemas_at(branch, named, path)]
    full, kind = resolved(schema, named)
    if not path:
        return [full] if kind != "null" else []
    if kind == "map":
        return schemas_at(full["values"], named, path[1:])
    fields = full.get("fields", []) if isinstance(full, dict) else []
    return [found for f in fields if f["name"] == path[0] for found in schemas_at(f["type"], named, path[1:])]


def resolved(schema: Any, named: Mapping[str, Any]) -> tuple[Any, str]:
    """Return a schema that is not a union, with its name replaced by its definition, and the name of its type."""
    full = named.get(type_of(schema), schema)
    return full, type_of(full)


def type_of(schema: Any) -> str:
    """Return the name of a type that is not a union, in whichever form it is written."""
    return type_of(schema["type"]) if isinstance(schema, dict) else str(schema)


def _decode_singly(at: Cursor) -> None:
    at.fail_all(Verdict.SINGLY)


class _SchemaCompiler:
    """Makes decoders of types. No type contains itself: `avro_schema.parse` refuses those."""

    def __init__(self, named: Mapping[str, Any], field_decoder: FieldDecoderFactory) -> None:
        self._named = named
        self._field_decoder = field_decoder
        self._made: dict[str, Decoder] = {}

    def extracting(self, schema: Any, node: Node) -> Decoder:
        """Return a decoder that stores what `node` leads to in this type, or skips the value if it leads nowhere."""
        if isinstance(schema, list):
            return _union_decoder([self.extracting(branch, node) for branch in schema])
        full, kind = resolved(schema, self._named)
        if kind == "null":
            return decode_nothing
        if isinstance(node, str):
            return self._field_decoder(node, full) or _decode_singly
        if kind in ("record", "error"):
            return _sequence_decoder([self._field(f, node) for f in full["fields"]])
        if kind == "map":
            keyed = [(KeyMatcher(key.encode()), self.extracting(full["values"], below)) for key, below in node.items()]
            return _blocks_decoder(_entry_decoder(keyed, self.skipping(full["values"])))
        return self.skipping(schema)

    def _field(self, field: Any, tree: Tree) -> Decoder:
        below = tree.get(field["name"])
        return self.skipping(field["type"]) if below is None else self.extracting(field["type"], below)

    def skipping(self, schema: Any) -> Decoder:
        if isinstance(schema, list):
            return _union_decoder([self.skipping(branch) for branch in schema])
        kind = type_of(schema)
        if kind in ("record", "error", "enum", "fixed"):
            return self._named_type(schema)
        if kind == "array":
            return _blocks_decoder(self.skipping(schema["items"]))
        if kind == "map":
            return _blocks_decoder(_sequence_decoder([_skip_bytes, self.skipping(schema["values"])]))
        if kind in self._named:
            return self._made.get(kind) or self.skipping(self._named[kind])
        if kind in _FIXED_SIZES:
            return _fixed_size_decoder(_FIXED_SIZES[kind])
        return {
            "null": decode_nothing,
            "int": _skip_long,
            "long": _skip_long,
            "bytes": _skip_bytes,
            "string": _skip_bytes,
        }[kind]

    def _named_type(self, schema: Any) -> Decoder:
        made = self._made[schema["name"]] = self._body(schema)
        return made

    def _body(self, schema: Any) -> Decoder:
        if schema["type"] == "enum":
            return _skip_long
        if schema["type"] == "fixed":
            return _fixed_size_decoder(schema["size"])
        return _sequence_decoder([self.skipping(f["type"]) for f in schema["fields"]])


def _skip_long(at: Cursor) -> None:
    at.long()


def _skip_bytes(at: Cursor) -> None:
    at.text()


@dataclass(frozen=True, slots=True)
class _FixedSize:
    """Skips values of a fixed number of bytes."""

    size: int

    def __call__(self, at: Cursor) -> None:
        at.skip(np.full(at.rows.size, self.size))


def _fixed_size_decoder(size: int) -> Decoder:
    return _FixedSize(size) if size else decode_nothing


def _sequence_decoder(walks: list[Decoder]) -> Decoder:
    steps = [decode for decode in walks if decode is not decode_nothing]

    def decode(at: Cursor) -> None:
        for step in steps:
            step(at)

    return decode if steps else decode_nothing


def _union_decoder(branches: list[Decoder]) -> Decoder:
    none = len(branches)
    sizes = np.array(
        [step.size if isinstance(step, _FixedSize) else 0 for step in [*branches, decode_nothing]], np.int64
    )
    others = [
        (n, step) for n, step in enumerate(branches) if step is not decode_nothing and not isinstance(step, _FixedSize)
    ]

    def decode(at: Cursor) -> None:
        branch = at.long()
        wrong = branch.view(np.uint64) >= none  # unsigned, a negative number is a huge one
        if wrong.any():
            at.fail(wrong)
            branch = np.where(wrong, none, branch)
        if sizes.any():
            at.skip(sizes[branch])
        for number, step in others:
            at.only(np.flatnonzero(branch == number), step)

    return decode


def _entry_decoder(keyed: list[tuple[KeyMatcher, Decoder]], past: Decoder) -> Decoder:
    """Decode one map entry: skip all of them together, then decode again the few that have a wanted key."""

    def decode(at: Cursor) -> None:
        start, length = at.text()
        value = at.pos
        past(at)
        for key, step in keyed:
            meant = np.flatnonzero(at.matches(start, length, key))
            if meant.size:
                step(Cursor(at.sheet, at.data, at.rows[meant], value[meant], at.end[meant], at.depth))

    return decode


def _blocks_decoder(item: Decoder) -> Decoder:
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
    at.only(np.flatnonzero(count < 0), _skip_long)
    count = np.abs(count)
    at.fail(count > (_MAX_ITEMS >> (3 * at.depth)) - before, Verdict.SINGLY)
    at.fail(count < 0)  # the one number whose negative is itself
    count[at.sheet.verdict[at.rows] != Verdict.OK] = 0
    at.depth += 1
    for done in range(int(count.max(initial=0))):
        at.only(np.flatnonzero(count > done), item)
    at.depth -= 1
    return count
