"""Compiles a writer's schema and the wanted field paths into one decoder for all records of a batch.

Everything else in the schema is skipped without being decoded. See cursor.py for how decoders work.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from consumer.activity.avro.cursor import Cursor, Decoder, KeyMatcher, Verdict, decode_nothing
from consumer.activity.avro.field_decoders import FieldDecoders
from consumer.activity.avro.items_decoders import (
    ElementKey,
    ElementKeyFields,
    blocks_decoder,
    elements_decoder,
    entry_decoder,
)
from consumer.activity.field_paths import FieldPaths, Node, Tree
from consumer.activity.schemas.avro_schema import WriterSchema
from consumer.config.sections.event_paths import Entry, Path, Step

S = TypeVar("S", bound=Step)

JSON_TEXT = object()
"""Stands for whatever may lie inside a text that holds JSON."""

FIXED_SIZES = {"boolean": 1, "float": 4, "double": 8}
"""Bytes of a value, by the names of types."""
_MAX_NESTING = 8
"""How often a type may lie within itself in records that are decoded together."""


def compile_record_decoder(writer: WriterSchema, fields: FieldPaths, field_decoders: FieldDecoders) -> Decoder:
    """Return a decoder for records of this writer that stores what lies at the paths of `fields`."""
    through = _SchemaCompiler(writer.named, field_decoders).record(writer.schema, fields)

    def decode(at: Cursor) -> None:
        through(at)
        at.fail(at.pos != at.end)

    return decode


def schemas_at(schema: Any, named: Mapping[str, Any], path: Path) -> list[Any]:
    """Return the schemas other than null that the path may lead to, JSON_TEXT where it leads into a text; none if there
    is no such path."""
    if isinstance(schema, list):
        return [found for branch in schema for found in schemas_at(branch, named, path)]
    full, kind = resolved(schema, named)
    if not path:
        return [full] if kind != "null" else []
    if kind == "string":
        return [JSON_TEXT]
    if kind == "array":
        return [] if isinstance(path[0], str) else schemas_at(full["items"], named, path[1:])
    if kind == "map":
        return schemas_at(full["values"], named, path[1:]) if isinstance(path[0], str) else []
    fields = full["fields"] if kind in ("record", "error") else []
    return [found for f in fields if f["name"] == path[0] for found in schemas_at(f["type"], named, path[1:])]


def record_name(schema: Any) -> str:
    """Return a record's full name, or "" for any other type."""
    is_record = isinstance(schema, dict) and schema["type"] in ("record", "error")
    return str(schema["name"]) if is_record else ""


def steps_of(kind: type[S], tree: Tree) -> list[tuple[S, Node]]:
    """Return what lies inside names (str), or inside elements of an array, by their place (int) or key (Entry)."""
    return [(step, below) for step, below in tree.items() if isinstance(step, kind)]


def resolved(schema: Any, named: Mapping[str, Any]) -> tuple[Any, str]:
    """Return a schema that is not a union, with its name replaced by its definition, and the name of its type."""
    full = named.get(schema, schema) if isinstance(schema, str) else schema
    return full, full["type"] if isinstance(full, dict) else full


def _decode_singly(at: Cursor) -> None:
    at.fail_all(Verdict.SINGLY)


class _SchemaCompiler:
    """Makes decoders of types."""

    def __init__(
        self, named: Mapping[str, Any], fields: FieldDecoders, misfit: Callable[[Any], Decoder] | None = None
    ) -> None:
        """`misfit` makes the decoder of a field that cannot have its type; by default its record is read singly."""
        self._named = named
        self._fields = fields
        self._misfit = misfit or (lambda schema: _decode_singly)
        self._made: dict[str, Decoder] = {}

    def record(self, schema: Any, fields: FieldPaths) -> Decoder:
        """Return a decoder of whole records, whose names may be fields of the activity."""
        if isinstance(schema, list):
            return _union_decoder([self.record(branch, fields) for branch in schema])
        name = record_name(resolved(schema, self._named)[0])
        if not fields.is_event(name):
            return _leave_alone
        names = [self._fields.constant(field, fields.event_name(name)) for field in fields.from_record_name]
        return _naming_decoder(names, self.extracting(schema, fields.tree()))

    def extracting(self, schema: Any, node: Node) -> Decoder:
        """Return a decoder that stores what `node` leads to in this type, or skips the value if it leads nowhere."""
        if isinstance(schema, list):
            return _union_decoder([self.extracting(branch, node) for branch in schema])
        full, kind = resolved(schema, self._named)
        if kind == "null":
            return decode_nothing
        if isinstance(node, str):
            return self._fields(node, full) or self._misfit(full)
        if kind in ("record", "error"):
            return _sequence_decoder([self._field(f, node) for f in full["fields"]])
        if kind == "map":
            keyed = [
                (KeyMatcher(key.encode()), self.extracting(full["values"], below)) for key, below in steps_of(str, node)
            ]
            return blocks_decoder(entry_decoder(keyed, self.skipping(full["values"])))
        if kind == "array":
            return self._array(full["items"], node)
        return _decode_singly if kind == "string" else self.skipping(schema)  # a text may hold JSON

    def _array(self, items: Any, tree: Tree) -> Decoder:
        past = self.skipping(items)
        places = {place: self.extracting(items, below) for place, below in steps_of(int, tree)}
        entries = {
            entry: (self._key(items, entry), self.extracting(items, below)) for entry, below in steps_of(Entry, tree)
        }
        return elements_decoder(places, entries, past) if places or entries else blocks_decoder(past)

    def _key(self, items: Any, entry: Entry) -> ElementKey:
        fields = ElementKeyFields()
        decode = _SchemaCompiler(self._named, fields, misfit=self.skipping).extracting(items, {entry.key: "event"})
        return ElementKey(decode, fields.symbols, entry.value)

    def _field(self, field: Any, tree: Tree) -> Decoder:
        below = tree.get(field["name"])
        return self.skipping(field["type"]) if below is None else self.extracting(field["type"], below)

    def skipping(self, schema: Any) -> Decoder:
        if isinstance(schema, list):
            return _union_decoder([self.skipping(branch) for branch in schema])
        full, kind = resolved(schema, self._named)
        if kind in ("record", "error", "enum", "fixed"):
            return self._named_type(full)
        if kind == "array":
            return blocks_decoder(self.skipping(full["items"]))
        if kind == "map":
            return blocks_decoder(_sequence_decoder([_skip_bytes, self.skipping(full["values"])]))
        if kind in FIXED_SIZES:
            return _fixed_size_decoder(FIXED_SIZES[kind])
        return {
            "null": decode_nothing,
            "int": _skip_long,
            "long": _skip_long,
            "bytes": _skip_bytes,
            "string": _skip_bytes,
        }[kind]

    def _named_type(self, schema: Any) -> Decoder:
        name = schema["name"]
        if name not in self._made:
            itself = self._made[name] = _Itself()  # for the type within itself
            self._made[name] = itself.decode = self._body(schema)
        return self._made[name]

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


def _leave_alone(at: Cursor) -> None:
    at.fail_all(Verdict.SKIPPED)


def _naming_decoder(names: Sequence[Decoder], inside: Decoder) -> Decoder:
    def decode(at: Cursor) -> None:
        for name in names:
            name(at)
        inside(at)

    return decode if names else inside


class _Itself:
    """Decodes a type within itself, so deep as records are decoded together."""

    def __init__(self) -> None:
        self.decode: Decoder = decode_nothing

    def __call__(self, at: Cursor) -> None:
        at.only(np.flatnonzero(at.sheet.verdict[at.rows] == Verdict.OK), self._decode)

    def _decode(self, at: Cursor) -> None:
        at.nesting += 1
        if at.nesting > _MAX_NESTING:
            at.fail_all(Verdict.SINGLY)
        else:
            self.decode(at)
        at.nesting -= 1


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
