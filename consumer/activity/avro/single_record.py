"""Reads one Avro record, strictly as the specification says: for the few that cannot be decoded together with others.

A schema and the wanted paths become nested functions; each reads one value from a position on and returns the position
behind it. Any number of items and any depth is read; only what Python's stack cannot hold is unreadable.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np

from consumer.activity.avro.leaf_types import COMPARED_KEYS, Leaf, LeafKind, Misfit, leaf_of
from consumer.activity.avro.plain_readers import (
    Damaged,
    Found,
    Unwanted,
    ValueReader,
    blocks,
    elements,
    map_entry,
    nothing,
    read_bytes,
    refuse,
    sequence,
    skip_bytes,
    skip_fixed,
    skip_long,
    union,
    value_reader,
)
from consumer.activity.avro.schema_compiler import FIXED_SIZES, record_name, resolved, steps_of
from consumer.activity.errors import BadRecord
from consumer.activity.event_values import parsed, value_at
from consumer.activity.field_paths import FieldPaths, Node, Tree, paths_in
from consumer.activity.row_reader import EventFilter, PlainValues, RowReader
from consumer.activity.rows import ReadOne, Row
from consumer.activity.schemas.avro_schema import WriterSchema
from consumer.activity.schemas.framing import UNREADABLE
from consumer.activity.times import timestamps
from consumer.activity.times.iso8601 import NO_TIME
from consumer.activity.times.local_time import to_utc
from consumer.activity.times.timestamps import TimeForm
from consumer.config.sections.event_paths import Entry

_KEY_ALONE = FieldPaths({}, TimeForm())


def build_single_reader(
    writer: WriterSchema, header_size: int, fields: FieldPaths, wants: EventFilter | None
) -> ReadOne:
    """Return a reader of single values of this writer; it skips their header."""
    read_value = _Compiler(writer.named, fields).record(writer.schema)
    row, values = RowReader(fields, wants), PlainValues(fields, "incompatible_schema")

    def read(value: bytes, elsewhere: Mapping[str, Any]) -> Row | None:
        found: Found = {}
        try:
            if read_value(value, header_size, found) != len(value):
                raise BadRecord(*UNREADABLE)
        except Unwanted:
            return None
        except (Damaged, IndexError, RecursionError):
            raise BadRecord(*UNREADABLE) from None
        return row(lambda name: _field(name, *found.get(name, (None, None)), values, fields.times), elsewhere)

    return read


def _field(name: str, leaf: Leaf | Misfit | None, value: Any, values: PlainValues, times: TimeForm) -> Any:
    """Return a field's text or milliseconds. Raises BadRecord."""
    if isinstance(leaf, Misfit):
        raise values.wrong_type(name, leaf.what)
    if leaf is None or value is None:
        return values.field(name, value)
    match leaf.kind:
        case LeafKind.DECIMAL:
            if not value:
                raise BadRecord(*UNREADABLE)
            return str(int.from_bytes(value, "big", signed=True))
        case LeafKind.UUID:
            return str(UUID(bytes=value))
        case LeafKind.TIME_NUMBER | LeafKind.LOCAL_TIME_NUMBER:
            moment = int(timestamps.from_longs(np.array([value]), leaf.unit)[0])
            if leaf.kind is LeafKind.LOCAL_TIME_NUMBER and times.zone:
                moment = int(to_utc(np.array([moment]), times.zone)[0])
            if moment == NO_TIME:
                raise values.no_time()
            return moment
    return values.field(name, value)


class _Compiler:
    """Makes readers of types."""

    def __init__(self, named: Mapping[str, Any], fields: FieldPaths) -> None:
        self._named = named
        self._fields = fields
        self._made: dict[str, ValueReader] = {}

    def record(self, schema: Any) -> ValueReader:
        """Return a reader of whole records, whose names may be fields of the activity."""
        if isinstance(schema, list):
            return union([self.record(branch) for branch in schema])
        name = record_name(resolved(schema, self._named)[0])
        if not self._fields.is_event(name):
            return refuse
        inside = self.extracting(schema, self._fields.tree())
        noted = {field: (None, self._fields.event_name(name)) for field in self._fields.from_record_name}

        def read(data: bytes, at: int, found: Found) -> int:
            found.update(noted)
            return inside(data, at, found)

        return read

    def extracting(self, schema: Any, node: Node) -> ValueReader:
        if isinstance(schema, list):
            return union([self.extracting(branch, node) for branch in schema])
        full, kind = resolved(schema, self._named)
        if kind == "null":
            return nothing
        if isinstance(node, str):
            return self._leaf(node, full, kind)
        if kind in ("record", "error"):
            return sequence([self._member(field, node) for field in full["fields"]])
        if kind == "map":
            entries = {key.encode(): self.extracting(full["values"], below) for key, below in steps_of(str, node)}
            return blocks(map_entry(entries, self.skipping(full["values"])))
        if kind == "array":
            return self._array(full["items"], node)
        return _json_text(node) if kind == "string" else self.skipping(schema)

    def _leaf(self, name: str, full: Any, kind: str) -> ValueReader:
        leaf = leaf_of(name, full, self._fields.times)
        if isinstance(leaf, Misfit):
            skip = self.skipping(full)

            def read_misfit(data: bytes, at: int, found: Found) -> int:
                found[name] = leaf, None
                return skip(data, at, found)

            return read_misfit
        take = value_reader(full, kind)

        def read(data: bytes, at: int, found: Found) -> int:
            value, at = take(data, at)
            found[name] = leaf, value
            return at

        return read

    def _member(self, field: Any, tree: Tree) -> ValueReader:
        below = tree.get(field["name"])
        return self.skipping(field["type"]) if below is None else self.extracting(field["type"], below)

    def _array(self, items: Any, tree: Tree) -> ValueReader:
        past = self.skipping(items)
        places = {place: self.extracting(items, below) for place, below in steps_of(int, tree)}
        entries = {
            entry: (self._key(items, entry), self.extracting(items, below)) for entry, below in steps_of(Entry, tree)
        }
        return elements(places, entries, _text_of_key, past) if places or entries else blocks(past)

    def _key(self, items: Any, entry: Entry) -> ValueReader:
        return _Compiler(self._named, _KEY_ALONE).extracting(items, {entry.key: "event"})

    def skipping(self, schema: Any) -> ValueReader:
        if isinstance(schema, list):
            return union([self.skipping(branch) for branch in schema])
        full, kind = resolved(schema, self._named)
        if isinstance(full, dict) and "name" in full:
            return self._named_type(full)
        if kind == "array":
            return blocks(self.skipping(full["items"]))
        if kind == "map":
            return blocks(sequence([skip_bytes, self.skipping(full["values"])]))
        if kind in FIXED_SIZES:
            return skip_fixed(FIXED_SIZES[kind])
        return nothing if kind == "null" else skip_bytes if kind in ("bytes", "string") else skip_long

    def _named_type(self, full: Mapping[str, Any]) -> ValueReader:
        name = full["name"]
        if name not in self._made:
            self._made[name] = lambda data, at, found: self._made[name](data, at, found)  # while it is being made
            self._made[name] = self._body(full)
        return self._made[name]

    def _body(self, full: Mapping[str, Any]) -> ValueReader:
        if full["type"] == "enum":
            return skip_long  # as when records are decoded together: what nobody reads is not judged
        if full["type"] == "fixed":
            return skip_fixed(full["size"])
        return sequence([self.skipping(field["type"]) for field in full["fields"]])


def _text_of_key(noted: Found) -> str | None:
    leaf, value = noted.get("event", (None, None))
    if value is None or not isinstance(leaf, Leaf) or leaf.kind not in COMPARED_KEYS:
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _json_text(tree: Tree) -> ValueReader:
    """Read a text that holds JSON, and what lies at the paths within."""
    paths = dict(paths_in(tree))

    def read(data: bytes, at: int, found: Found) -> int:
        text, at = read_bytes(data, at)
        inside = parsed(text)
        found.update({name: (None, value_at(inside, path)) for name, path in paths.items()})
        return at

    return read
