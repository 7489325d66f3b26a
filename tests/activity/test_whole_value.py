"""Records are read whole where somebody looks at a topic, whatever their schema holds."""

from typing import Any

import pytest

from consumer.activity.avro.whole_value import read_whole
from consumer.activity.errors import BadRecord
from consumer.activity.schemas.avro_schema import single_object_header
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.activity.whole_events import WholeEventReader
from consumer.clock import ManualClock

from .writing import FIELDS, NOON, body, event, framed, record

TREE = {"type": "record", "name": "Tree", "fields": [{"name": "in", "type": ["null", "Tree"]}]}
EMPTY = {"type": "record", "name": "Empty", "fields": []}


def test_every_type_is_read_as_it_was_written() -> None:
    kinds: dict[str, tuple[Any, Any]] = {
        "nothing": ("null", None),
        "sure": ("boolean", True),
        "small": ("int", -65),
        "large": ("long", -(2**63)),
        "short": ("float", 0.5),
        "double": ("double", -1e300),
        "raw": ("bytes", b"\xff\x00"),
        "text": ("string", "na\u00efve"),
        "fixed": ({"type": "fixed", "name": "F", "size": 3}, b"abc"),
        "enum": ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B"),
        "list": ({"type": "array", "items": {"type": "array", "items": "int"}}, [[], [1, 2], [300]]),
        "map": ({"type": "map", "values": ["null", "F", "string"]}, {"a": None, "b": b"xyz", "\u00e9": "z"}),
        "inner": ({"type": "record", "name": "R", "fields": [{"name": "again", "type": "E"}]}, {"again": "A"}),
    }
    writer = record({name: kind for name, (kind, _) in kinds.items()})
    given = {name: value for name, (_, value) in kinds.items()}
    written = body(writer, given)
    assert read_whole(writer, b"?" + written, 1) == given
    for damaged in (written[:-1], written + b"\x00", b""):
        with pytest.raises(BadRecord, match="do not follow their schema"):
            read_whole(writer, damaged, 0)


def test_event_with_a_type_that_contains_itself_is_read() -> None:
    writer = record({**FIELDS, "tree": TREE})
    value = single_object_header(writer) + body(record(FIELDS), event()) + b"\x02\x02\x00"
    read = WholeEventReader(WriterSchemas(ManualClock(), others=[writer]))
    assert read(value) == event(occurred_at=NOON) | {"tree": {"in": {"in": {"in": None}}}}


@pytest.mark.parametrize(
    ("kind", "unread"),
    [
        (TREE, b"\x02" * 100_000 + b"\x00"),
        ({"type": "record", "name": "Endless", "fields": [{"name": "again", "type": "Endless"}]}, b""),
        ({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\xff\xff\x0f\x00"),
        ({"type": "array", "items": EMPTY}, b"\xfe\xff\xff\xff\xff\xff\x0f\x00"),
        ({"type": "array", "items": "int"}, b"\xfe\xff\xff\xff\xff\xff\x0f\x00"),
    ],
)
def test_bytes_that_stand_for_more_than_memory_holds_are_unreadable(kind: Any, unread: bytes) -> None:
    writer = record({"unread": kind})
    with pytest.raises(BadRecord, match="do not follow their schema"):
        read_whole(writer, unread, 0)


def test_many_values_that_take_bytes_are_read() -> None:
    writer = record({**FIELDS, "vector": {"type": "array", "items": "int"}})
    read = WholeEventReader(WriterSchemas(ManualClock(), others=[writer]))
    assert len(read(framed(writer, event(vector=[1] * 300_000)))["vector"]) == 300_000
