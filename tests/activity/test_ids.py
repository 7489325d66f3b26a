"""An id is text, a whole number, a uuid, or a decimal of scale 0; what could mean something else is refused."""

import json
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from consumer.activity.decoder import ActivityDecoder, Decoded
from consumer.activity.schemas.avro_schema import WriterSchema
from consumer.config.sections.source import SourceSettings

from .writing import FIELDS, MILLIS, NOON, at_noon, decode, event, framed, own_events, process, reasons, record, users

MANY = {"type": "array", "items": "int"}
"""A record with many of these is read singly."""


def decimal(scale: Any = 0, **more: Any) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": scale, **more}


def fixed(size: int, **more: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": f"F{size}", "size": size, **more}


CONNECT = {"connect.name": "org.apache.kafka.connect.data.Decimal", "connect.parameters": {"scale": "0"}}
SOME_UUID = UUID("0d6e4f3a-9c1b-4c9e-8f00-1234567890ab")


def in_bytes(number: int, size: int | None = None) -> bytes:
    return number.to_bytes(size or (number.bit_length() + 8) // 8, "big", signed=True)


def heard(kind: Any, *ids: Any) -> Decoded:
    """Read each id twice: together with others, and in a record that is read singly."""
    writer = record({**FIELDS, "user_id": kind, "many": MANY}, name="Odd")
    values = [framed(writer, event(user_id=one, many=[0] * n)) for one in ids for n in (0, 100)]
    return decode([writer], values)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("string", "ann", "ann"),
        ({"type": "string", "logicalType": "uuid"}, str(SOME_UUID), str(SOME_UUID)),
        ("long", 49, "49"),
        ("long", -(2**63), "-9223372036854775808"),
        ("int", 49, "49"),
        ("double", 42.0, "42"),
        ("double", -0.0, "0"),
        (decimal(), in_bytes(49), "49"),
        (decimal(), in_bytes(-49), "-49"),
        (decimal(), b"\0\0\0\x31", "49"),
        (decimal(), in_bytes(10**30), str(10**30)),
        (decimal(), in_bytes(-(2**63)), str(-(2**63))),
        ({"type": "bytes", **CONNECT, "scale": 0}, in_bytes(49), "49"),
        ({"type": "bytes", **CONNECT}, in_bytes(49), "49"),
        (decimal(**{"connect.parameters": "odd"}), in_bytes(49), "49"),
        ({"type": "bytes", "logicalType": "decimal", "connect.parameters": "odd"}, in_bytes(49), "49"),
        (fixed(16, logicalType="decimal", precision=38), in_bytes(49, 16), "49"),
        (fixed(4, logicalType="decimal", precision=9), in_bytes(-49, 4), "-49"),
        (fixed(16, logicalType="uuid"), SOME_UUID.bytes, str(SOME_UUID)),
        (["null", decimal()], in_bytes(49), "49"),
    ],
)
def test_an_id_is_its_text_or_its_digits(kind: Any, value: Any, text: str) -> None:
    decoded = heard(kind, value)
    assert (users(decoded), decoded.bad) == ([text, text], [])


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("bytes", b"1", "of type bytes"),
        (decimal(2), b"1", "a decimal of scale 2"),
        (decimal(-1), b"1", "a decimal of scale -1"),
        (decimal("x"), b"1", "a decimal of scale x"),
        (decimal(precision="5"), b"1", "a decimal of precision '5'"),
        ({"type": "bytes", "scale": 0, "precision": 9}, b"1", "a decimal of an unknown kind"),
        ({"type": "bytes", "logicalType": "big-decimal"}, b"1", "a big-decimal"),
        (fixed(16), SOME_UUID.bytes, "of type fixed"),
        (fixed(12, logicalType="uuid"), b"x" * 12, "a uuid (fixed)"),
        ({"type": "long", "logicalType": "timestamp-millis"}, NOON, "a timestamp-millis"),
        ({"type": "int", "logicalType": "date"}, 7, "a date"),
        ("float", 7.0, "of type float"),
        ("boolean", True, "of type boolean"),
        (["boolean", "int"], True, "of type boolean"),
    ],
)
def test_an_id_of_another_type_is_refused_and_the_type_is_named(kind: Any, value: Any, why: str) -> None:
    decoded = heard(kind, value)
    assert reasons(decoded) == {0: "incompatible_schema", 1: "incompatible_schema"}
    assert all(why in bad.error and "a uuid or a decimal of scale 0" in bad.error for bad in decoded.bad)


@pytest.mark.parametrize("value", [42.5, 2.0**53, float("nan"), float("inf")])
def test_a_double_that_is_not_surely_a_whole_number_is_refused(value: float) -> None:
    assert reasons(heard("double", value)) == {0: "incompatible_schema", 1: "incompatible_schema"}


def test_a_decimal_without_a_byte_is_damaged() -> None:
    assert reasons(heard(decimal(), b"")) == {0: "unreadable", 1: "unreadable"}


PATHS = {"user": "who.id", "time": "at", "event": "name"}
PROCESSES = {"checkout": process(active_on=("viewed",))}


def mapped(**more: Any) -> ActivityDecoder:
    return own_events(SourceSettings.model_validate({**PATHS, **more}), PROCESSES)


def said(who: Any, at: Any = NOON) -> bytes:
    return json.dumps({"who": {"id": who}, "at": at, "name": "viewed"}).encode()


def test_json_ids_may_be_whole_numbers_of_any_spelling() -> None:
    values = [
        said(42),
        said(42.0),
        said("42.0"),
        said(10**30),
        b'{"who":{"id":1e3},"at":1790000000000,"name":"viewed"}',
    ]
    assert users(at_noon(mapped(format="json"), values)) == ["42", "42", "42.0", str(10**30), "1000"]


@pytest.mark.parametrize("who", [42.5, 1e20, True, [1], {"id": 1}])
def test_json_ids_of_another_kind_are_refused_with_the_configured_path(who: Any) -> None:
    decoded = at_noon(mapped(format="json"), [said(who), said("ann")])
    assert (reasons(decoded), users(decoded)) == ({0: "unreadable"}, ["ann"])
    assert decoded.bad[0].error.startswith("who.id (source.user) is ")


def test_every_problem_names_the_configured_path() -> None:
    values = [said("x" * 256), said("ann", 5), said("ann", "soon"), said("ann", None)]
    decoded = at_noon(mapped(format="json"), values)
    errors = [bad.error for bad in decoded.bad]
    assert errors[0].startswith("who.id (source.user) is longer than 255 bytes")
    assert all("at (source.time)" in error for error in errors[1:])
    writer = record(
        {"who": {"type": "record", "name": "Who", "fields": [{"name": "id", "type": "bytes"}]}, "at": MILLIS}
    )
    source = SourceSettings.model_validate({**PATHS, "event": "at2"})
    decoded = at_noon(own_events(source, PROCESSES, [writer]), [framed(writer, {"who": {"id": b"1"}, "at": NOON})])
    assert decoded.bad[0].error.startswith("who.id (source.user) is of type bytes")


KINDS: list[tuple[Any, st.SearchStrategy[Any], Any]] = [
    ("string", st.text(max_size=5), str),
    ("long", st.integers(-(2**63), 2**63 - 1), str),
    ("double", st.floats() | st.integers(-(2**54), 2**54).map(float), None),
    (decimal(), st.integers(-(2**70), 2**70).map(in_bytes), lambda b: str(int.from_bytes(b, "big", signed=True))),
    (fixed(16, logicalType="uuid"), st.binary(min_size=16, max_size=16), lambda b: str(UUID(bytes=b))),
    (
        fixed(3, logicalType="decimal", precision=6),
        st.binary(min_size=3, max_size=3),
        lambda b: str(int.from_bytes(b, "big", signed=True)),
    ),
]


def plainly(kind: Any, value: Any) -> str | None:
    """The id that a value is; None where it is refused."""
    if kind == "double":
        return str(int(value)) if value == value // 1 and abs(value) < 2**53 else None
    return next(str(read(value)) for one, _, read in KINDS if one == kind)


@st.composite
def records(draw: st.DrawFn) -> tuple[WriterSchema, Any, Any, int]:
    kind, values, _ = draw(st.sampled_from(KINDS))
    nullable = draw(st.booleans())
    name = f"Of{KINDS.index(next(each for each in KINDS if each[0] == kind))}{nullable}"
    writer = record({**FIELDS, "user_id": ["null", kind] if nullable else kind, "many": MANY}, name=name)
    return writer, kind, draw(values), draw(st.sampled_from([0, 0, 70]))


@pytest.mark.slow
@given(st.lists(records(), max_size=12))
@settings(max_examples=150, deadline=None)
def test_ids_of_any_type_are_read_together_and_singly_as_a_plain_reading_says(
    data: list[tuple[WriterSchema, Any, Any, int]],
) -> None:
    values = [framed(writer, event(user_id=one, many=[0] * n)) for writer, _, one, n in data]
    decoded = decode(list({id(writer): writer for writer, *_ in data}.values()), values)
    expected = [plainly(kind, value) for _, kind, value, _ in data]
    read = dict(zip(decoded.frame["index"].to_list(), users(decoded), strict=True))
    assert read == {n: text for n, text in enumerate(expected) if text}
    assert list(reasons(decoded)) == [n for n, text in enumerate(expected) if text is None]
