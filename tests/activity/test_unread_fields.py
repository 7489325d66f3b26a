"""Only what is read of a schema has to be understood: what a field says that nobody reads stops no record."""

import json
from typing import Any

import pytest

from consumer.activity.schemas.avro_schema import WriterSchema, parse, single_object_header
from consumer.records import Ending

from .writing import FIELDS, NOON, body, decode, event, reasons, record, users

TREE = {"type": "record", "name": "Tree", "fields": [{"name": "in", "type": ["null", "Tree"]}]}
LIST = {"type": "record", "name": "List", "fields": [{"name": "of", "type": {"type": "array", "items": "List"}}]}
EMPTY = {"type": "record", "name": "Empty", "fields": []}


def value(writer: WriterSchema, unread: bytes, user: str = "ann") -> bytes:
    """A record whose last field, which nobody reads, has these bytes."""
    return single_object_header(writer) + body(record(FIELDS), event(user_id=user)) + unread


def writer_with(kind: Any) -> WriterSchema:
    return record({**FIELDS, "unread": kind})


@pytest.mark.parametrize(
    ("kind", "unread"),
    [
        ({"type": "bytes", "logicalType": "decimal", "precision": 64, "scale": 127}, b"\x021"),
        ({"type": "bytes", "logicalType": "decimal", "precision": "5"}, b"\x021"),
        ({"type": "fixed", "name": "F", "size": 2, "logicalType": "decimal", "precision": 99}, b"ab"),
        ({"type": "long", "logicalType": {"odd": 1}}, b"\x02"),
        ({"type": "enum", "name": "E", "symbols": ["with-hyphen", "1"], "default": "none"}, b"\x00"),
        ({"type": {"type": "string", "avro.java.string": "String"}}, b"\x02x"),
        ({"type": "array", "items": "int", "name": "xs"}, b"\x02\x02\x00"),
        ({"type": "map", "values": "int", "name": ["xs"], "fields": 5}, b"\x02\x02a\x02\x00"),
        ({"type": "string", "name": {"odd": 1}, "items": 5, "values": 5, "size": "?"}, b"\x02x"),
        ({"type": {"type": "string"}, "name": "s", "fields": [1]}, b"\x02x"),
        ({"type": {"type": "fixed", "name": "F", "size": 2, "items": {"odd": 1}}, "size": "?"}, b"ab"),
        ({"type": "enum", "name": "E", "symbols": ["A"], "fields": [1], "values": 5}, b"\x00"),
        ({"type": {"type": "Kind"}, "name": "Kind", "items": 5}, b"\x00"),
        ({"type": "map", "values": {"type": "fixed", "name": "map", "size": 1}}, b"\x02\x02kx\x00"),
        ({"type": ["null", "string"]}, b"\x02\x02x"),
        (TREE, b"\x02" * 5 + b"\x00"),
        (TREE, b"\x02" * 40 + b"\x00"),
        (LIST, b"\x02\x04\x00\x00\x00\x00"),
        (LIST, b"\x02" * 30 + b"\x00" * 31),
        ({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\x0f\x00"),
        ({"type": "array", "items": EMPTY}, b"\x06\x00"),
    ],
)
def test_a_strange_type_that_nobody_reads_is_passed(kind: Any, unread: bytes) -> None:
    writer = writer_with(kind)
    values = [value(writer, unread, user) for user in ("ann", "bob")] + [value(writer, unread) + b"\x00"]
    decoded = decode([writer], values)
    assert (users(decoded), reasons(decoded)) == (["ann", "bob"], {2: "unreadable"})
    assert decoded.frame.drop("written_at").row(0) == (0, "ann", "checkout", Ending.NONE, None, NOON)


@pytest.mark.parametrize("unread", [b"\x02" * 100_000, b"\x02" * 100_000 + b"\x00"])
@pytest.mark.parametrize("kind", [TREE, LIST])
def test_nesting_that_has_no_end_is_unreadable_and_its_neighbours_are_read(kind: Any, unread: bytes) -> None:
    writer = writer_with(kind)
    decoded = decode([writer], [value(writer, unread), value(writer, b"\x00", "bob")])
    assert (users(decoded), reasons(decoded)) == (["bob"], {0: "unreadable"})


def test_types_within_types_within_themselves_take_their_neighbours_nothing() -> None:
    kind: Any = "N0"
    for level in reversed(range(60)):
        kind = {"type": "record", "name": f"N{level}", "fields": [{"name": "in", "type": ["null", kind]}]}
    writer = writer_with(kind)
    for depth in (3, 60 * 6):  # the deeper one is too deep to be read together with others
        decoded = decode([writer], [value(writer, b"\x02" * depth + b"\x00"), value(writer, b"\x00", "bob")])
        assert (users(decoded), reasons(decoded)) == (["ann", "bob"], {})
    decoded = decode([writer], [value(writer, b"\x02" * 100_000 + b"\x00"), value(writer, b"\x00", "bob")])
    assert (users(decoded), reasons(decoded)) == (["bob"], {0: "unreadable"})


def test_a_record_that_can_never_end_is_unreadable() -> None:
    endless = {"type": "record", "name": "Endless", "fields": [{"name": "again", "type": "Endless"}]}
    for kind in (endless, {"type": "array", "items": endless}):
        assert reasons(decode([writer_with(kind)], [value(writer_with(kind), b"\x02\x00")])) == {0: "unreadable"}


@pytest.mark.parametrize("default", [None, 3, "?", []])
def test_defaults_are_not_judged(default: Any) -> None:
    fields = [{"name": name, "type": kind, "default": default} for name, kind in FIELDS.items()]
    fields.append({"name": "sure", "type": "boolean", "default": default})
    writer = parse(json.dumps({"type": "record", "name": "Event", "fields": fields, "aliases": "x"}))
    assert users(decode([writer], [value(writer, b"\x01")])) == ["ann"]
