"""Whatever a batch is made of, the decoder says of every record what reading it by itself says."""

import string
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import hypothesis.strategies as st
import pytest
from fastavro import schemaless_reader
from hypothesis import given, settings

from consumer.activity.schemas.avro_schema import WriterSchema, single_object_header

from .plain import Broken, activity
from .writing import FIELDS, KIND, MICROS, NOON, decode, event, framed, reasons, record

Drawn = tuple[Any, st.SearchStrategy[Any]]
"""A type, and values of it."""

PRIMITIVES: list[Drawn] = [
    ("null", st.none()),
    ("boolean", st.booleans()),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1)),
    ("float", st.floats(width=32)),
    ("double", st.floats()),
    ("bytes", st.binary(max_size=80)),
    ("string", st.text(max_size=80)),
]


@st.composite
def types(draw: st.DrawFn, name: str, depth: int = 2) -> Drawn:
    """Any type of Avro but arrays of nothing. `name` is for what needs one."""
    kind = draw(st.sampled_from(["primitive", "enum", "fixed", "record", "union", "array", "map"][: 7 if depth else 3]))
    if kind == "primitive":
        return draw(st.sampled_from(PRIMITIVES))
    if kind == "enum":
        return {"type": "enum", "name": name, "symbols": ["A", "B", "C"]}, st.sampled_from("ABC")
    if kind == "fixed":
        return {"type": "fixed", "name": name, "size": 3}, st.binary(min_size=3, max_size=3)
    inner = [draw(types(f"{name}_{n}", depth - 1)) for n in range(draw(st.integers(1, 3)))]
    if kind == "record":
        fields = [{"name": f"f{n}", "type": schema} for n, (schema, _) in enumerate(inner)]
        return {"type": "record", "name": name, "fields": fields}, st.fixed_dictionaries(
            {f"f{n}": values for n, (_, values) in enumerate(inner)}
        )
    schema, values = inner[0]
    if kind == "map":
        return {"type": "map", "values": schema}, st.dictionaries(st.text(max_size=3), values, max_size=4)
    if kind == "array" and "null" not in str(schema):
        return {"type": "array", "items": schema}, st.lists(values, max_size=5)
    if schema == "null" or isinstance(schema, list):
        return "null", st.none()
    branches = draw(st.permutations(["null", schema]))
    return branches, st.none() | values


users = st.text(string.printable + "éß🛒", max_size=70)
EVENTS: dict[str, st.SearchStrategy[Any]] = {
    "event_id": st.text(max_size=5),
    "user_id": users,
    "process": st.sampled_from(["checkout", "", "document-upload"]),
    "kind": st.sampled_from(KIND["symbols"]),
    "action": st.none() | users,
    "occurred_at": st.integers(NOON - 10**12, NOON + 10**9),
}
VARIANTS: dict[str, list[Any]] = {
    "user_id": [["null", "string"]],
    "process": ["bytes"],
    "kind": ["string", ["null", KIND]],
}


@st.composite
def writers(draw: st.DrawFn) -> tuple[WriterSchema, st.SearchStrategy[dict[str, Any]]]:
    """A writer of activities with other fields among ours, in any order, and its records."""
    chosen = {name: draw(st.sampled_from([FIELDS[name], *VARIANTS.get(name, [])])) for name in FIELDS}
    values = dict(EVENTS)
    if chosen["process"] == "bytes":
        values["process"] = EVENTS["process"].map(str.encode)
    for n in range(draw(st.integers(0, 4))):
        chosen[f"x{n}"], values[f"x{n}"] = draw(types(f"X{n}"))
    order = draw(st.permutations(sorted(chosen)))
    return record({name: chosen[name] for name in order}), st.fixed_dictionaries(values)


def mutated(value: bytes) -> st.SearchStrategy[bytes]:
    """The value with something done to its body."""
    places = st.integers(10, len(value))
    pieces = st.binary(max_size=12) | st.sampled_from([b"\x80" * 11, b"\xfe\xff\xff\xff\x0f", b"\x01", b"\xff"])
    cut = st.builds(lambda a, b: value[: min(a, b)] + value[max(a, b) :], places, places)
    put = st.builds(lambda a, b, piece: value[: min(a, b)] + piece + value[max(a, b) :], places, places, pieces)
    return cut | put | st.builds(lambda piece: value[:10] + piece, st.binary(max_size=60))


def judged_alone(value: bytes, writer: WriterSchema, unit: int = 1) -> tuple[Any, ...] | str:
    """The row that reading this value by itself gives, or its reason."""
    try:
        user, process, ending, action, time = activity(value[10:], writer.schema, writer.named, unit)
    except Broken:
        return "unreadable"
    if not user:
        return "blank"
    if ending is None or time is None:
        return "missing_field"
    if not process:
        return "empty_process"
    return (user, process, ending, action, min(time, NOON)) if time >= 946_684_800_000 else "time_before_2000"


def check(values: Sequence[bytes], expected: Sequence[tuple[Any, ...] | str], writers: Sequence[WriterSchema]) -> None:
    decoded = decode(writers, values)
    rows = {row[0]: row[1:] for row in decoded.frame.drop("written_at").rows()}
    assert {**rows, **reasons(decoded)} == {n: found for n, found in enumerate(expected) if found != "blank"}
    assert decoded.blank == expected.count("blank")
    assert list(rows) == sorted(rows)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_records_of_any_writer_are_read(data: st.DataObject) -> None:
    chosen = [data.draw(writers()) for _ in range(data.draw(st.integers(1, 3)))]
    chosen = list({single_object_header(writer): (writer, events) for writer, events in chosen}.values())
    values, expected = [], []
    for writer, events in data.draw(st.lists(st.sampled_from(chosen), max_size=8)):
        value = framed(writer, data.draw(events))
        values.append(value)
        expected.append(judged_alone(value, writer))
    check(values, expected, [writer for writer, _ in chosen])


NESTED = {"type": "record", "name": "Page", "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "long"}]}
FLAT = [
    (record(FIELDS, name="Ours"), 1),
    (record(dict(reversed(list(FIELDS.items()))), name="Reversed"), 1),
    (record({**FIELDS, "occurred_at": MICROS, "kind": "string"}, name="Micros"), 1000),
    (
        record(
            {"page": ["null", NESTED, "double"], **FIELDS, "raw": "bytes", "event_id": ["null", "string"]}, name="Deep"
        ),
        1,
    ),
]
EXTRA = {"page": {"a": "x", "b": -5}, "raw": b"\x80\x80"}


@pytest.mark.slow
@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_mixture_of_good_and_mutated_records_is_judged_one_by_one(data: st.DataObject) -> None:
    values, expected = [], []
    for writer, unit in data.draw(st.lists(st.sampled_from(FLAT), min_size=1, max_size=12)):
        datum = data.draw(st.fixed_dictionaries(EVENTS))
        value = framed(writer, {**datum, **EXTRA, "occurred_at": datum["occurred_at"] * unit})
        if data.draw(st.booleans()):
            value = data.draw(mutated(value))
        values.append(value)
        expected.append(judged_alone(value, writer, unit))
        if not isinstance(expected[-1], str):
            assert fastavro_reads(value, writer)["user_id"] == expected[-1][0]
    check(values, expected, [writer for writer, _ in FLAT])


def fastavro_reads(value: bytes, writer: WriterSchema) -> dict[str, Any]:
    narrow = {**writer.bare, "fields": [f for f in writer.bare["fields"] if f["name"] in ("user_id", "process")]}
    found: Any = schemaless_reader(BytesIO(value[10:]), writer.bare, narrow)
    return dict(found)


LISTS = record(
    {
        "items": {"type": "array", "items": {"type": "array", "items": NESTED}},
        **FIELDS,
        "labels": {"type": "map", "values": ["null", "string"]},
    }
)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_damage_inside_lists_reaches_a_neighbour(data: st.DataObject) -> None:
    items = [[{"a": "x", "b": 1}], [], [{"a": "", "b": 2}, {"a": "yy", "b": 3}]]
    good = framed(LISTS, event(items=items, labels={"k": "v", "l": None}))
    values = data.draw(st.lists(st.just(good) | mutated(good), min_size=1, max_size=8))
    decoded = decode([LISTS], values)
    read = dict(zip(decoded.frame["index"].to_list(), decoded.frame["user_id"].to_list(), strict=True))
    assert all(read[n] == "ann" for n, value in enumerate(values) if value == good)
    assert sorted([*read, *reasons(decoded)]) == list(range(len(values)))


@given(st.lists(st.none() | st.binary(max_size=30) | st.binary(max_size=20).map(lambda b: b"\x00" + b), max_size=6))
def test_any_bytes_at_all_are_given_a_reason(values: list[bytes | None]) -> None:
    decoded = decode([], values)
    assert list(reasons(decoded)) == [n for n, value in enumerate(values) if value]
    assert decoded.blank == len(values) - len(decoded.bad)
