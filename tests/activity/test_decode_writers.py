"""Writers of activities whose schema is not ours: what of theirs is read, and what cannot be."""

from typing import Any

import pytest

from consumer.activity.schemas.avro_schema import single_object_header
from consumer.records import Ending

from .writing import (
    FIELDS,
    KIND,
    MICROS,
    MILLIS,
    NOON,
    body,
    decode,
    event,
    framed,
    reasons,
    record,
    users,
)

PLAIN = record(FIELDS)


def rows(writer_fields: dict[str, Any], *data: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What is read of records of a writer with these fields; none of them may be bad."""
    writer = record(writer_fields)
    decoded = decode([writer], [framed(writer, datum) for datum in data])
    assert decoded.bad == []
    return decoded.frame.drop("index", "written_at").rows()


def test_a_writer_may_add_reorder_and_leave_out_fields() -> None:
    few = {"occurred_at": MILLIS, "kind": KIND, "user_id": "string", "process": "string"}
    assert rows(few, event()) == [("ann", "checkout", Ending.NONE, None, NOON)]
    device = {"type": "record", "name": "Device", "fields": [{"name": "os", "type": "string"}]}
    more = {
        "ip": {"type": "fixed", "name": "Ip", "size": 4},
        "score": "double",
        "action": ["string", "null"],
        "device": ["null", device, "string"],
        "spare": ["null", "Device"],
        "labels": {"type": "map", "values": "string"},
        "items": {
            "type": "array",
            "items": {"type": "record", "name": "Item", "fields": [{"name": "n", "type": "long"}]},
        },
        **few,
        "sure": "boolean",
    }
    extra = {"ip": b"\0\1\2\3", "score": 1.5, "device": {"os": "x"}, "spare": {"os": "y"}, "sure": True}
    first = event(**extra, action="pay", labels={"a": "b", "c": "d"}, items=[{"n": 1}, {"n": 2}])
    second = event(**{**extra, "device": None, "spare": None}, user_id="bob", labels={}, items=[])
    assert rows(more, first, second) == [
        ("ann", "checkout", Ending.NONE, "pay", NOON),
        ("bob", "checkout", Ending.NONE, None, NOON),
    ]


def test_fields_may_be_nullable_or_bytes_in_the_writers_schema() -> None:
    nullable = {name: ["null", kind] for name, kind in {**FIELDS, "process": "bytes", "action": "string"}.items()}
    assert rows(nullable, event(process=b"checkout")) == [("ann", "checkout", Ending.NONE, None, NOON)]


def test_a_kind_may_be_a_string_or_one_that_nobody_knows() -> None:
    as_text = {**FIELDS, "kind": "string"}
    kinds = ["STARTED", "completed", "Cancelled", "ARCHIVED", ""]
    expected = [Ending.NONE, Ending.COMPLETED, Ending.CANCELLED, Ending.NONE, Ending.NONE]
    assert [row[2] for row in rows(as_text, *(event(kind=k) for k in kinds))] == expected
    symbols = ["ARCHIVED", "COMPLETED", "STARTED"]
    other = {**FIELDS, "kind": {**KIND, "symbols": symbols}}
    assert [row[2] for row in rows(other, *(event(kind=k) for k in symbols))] == [
        Ending.NONE,
        Ending.COMPLETED,
        Ending.NONE,
    ]


def test_a_time_may_be_in_microseconds_or_without_a_logical_type() -> None:
    assert rows({**FIELDS, "occurred_at": MICROS}, event(occurred_at=NOON * 1000 - 1))[0][-1] == NOON - 1
    assert rows({**FIELDS, "occurred_at": "long"}, event())[0][-1] == NOON


def test_a_time_may_be_a_number_with_a_fraction_or_iso_8601() -> None:
    assert rows({**FIELDS, "occurred_at": "double"}, event(occurred_at=NOON - 0.6))[0][-1] == NOON - 1
    texts = ["2026-09-21T14:13:20Z", "2026-09-21T16:13:20.000+02:00", "2026-09-21 14:13:20"]
    read = rows({**FIELDS, "occurred_at": "string"}, *(event(occurred_at=text) for text in texts))
    assert [row[-1] for row in read] == [NOON] * 3


def test_a_time_that_is_none_is_unreadable_and_its_neighbours_are_read() -> None:
    nothing = float("nan")
    for kind, times in (
        ("string", ["yesterday", "2026-09-21", "2026-09-21T14:13:20Z"]),
        ("double", [nothing, float("inf"), 1.79e12]),
    ):
        writer = record({**FIELDS, "occurred_at": kind})
        decoded = decode([writer], [framed(writer, event(occurred_at=time)) for time in times])
        assert list(reasons(decoded).values()) == ["unreadable"] * (len(times) - 1)
        assert decoded.frame["index"].to_list() == [len(times) - 1]
        assert "ISO 8601" in decoded.bad[0].error


def test_a_user_may_be_a_number() -> None:
    numbered = {**FIELDS, "user_id": ["null", "long", "string"], "process": "int"}
    data = [event(user_id=7, process=1), event(user_id="ann", process=-2)]
    assert [row[:2] for row in rows(numbered, *data)] == [("7", "1"), ("ann", "-2")]


def test_an_action_may_be_a_symbol() -> None:
    symbol = {"type": "enum", "name": "Action", "symbols": ["BROWSE", "PAY"]}
    told = rows({**FIELDS, "action": ["null", symbol]}, event(action="PAY"), event())
    assert [row[3] for row in told] == ["PAY", None]


@pytest.mark.parametrize("missing", ["user_id", "process", "kind", "occurred_at"])
def test_a_writer_without_a_needed_field_does_not_fit(missing: str) -> None:
    writer = record({name: kind for name, kind in FIELDS.items() if name != missing})
    decoded = decode([writer, PLAIN], [framed(writer, event()), framed(PLAIN, event(user_id="bob"))])
    assert (reasons(decoded), users(decoded)) == ({0: "incompatible_schema"}, ["bob"])
    assert missing in decoded.bad[0].error


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("user_id", "float", 7.0),
        ("user_id", "bytes", b"49"),
        ("user_id", "boolean", True),
        ("user_id", KIND, "STARTED"),
        ("kind", "int", 1),
        ("action", "boolean", True),
        ("occurred_at", "float", 1.79e12),
        ("occurred_at", "bytes", b"2026-09-21"),
        ("occurred_at", {"type": "int", "logicalType": "date"}, 20_000),
        ("occurred_at", {"type": "long", "logicalType": "local-timestamp-millis"}, NOON),
    ],
)
def test_a_field_of_a_type_that_cannot_be_meant_does_not_fit(name: str, kind: Any, value: Any) -> None:
    fields = {**FIELDS, "kind": "string"} if kind is KIND else FIELDS
    writer = record({**fields, name: kind}, name="Odd")  # logical types are no part of a fingerprint
    decoded = decode([writer, PLAIN], [framed(writer, event(**{name: value})), framed(PLAIN, event(user_id="bob"))])
    assert (reasons(decoded), users(decoded)) == ({0: "incompatible_schema"}, ["bob"])


def test_a_kind_without_any_symbols_does_not_fit() -> None:
    writer = record({**FIELDS, "kind": {**KIND, "symbols": []}})
    decoded = decode([writer], [single_object_header(writer) + body(PLAIN, event())])
    assert reasons(decoded) == {0: "incompatible_schema"}


def test_of_a_union_the_values_that_fit_are_read() -> None:
    writer = record({**FIELDS, "user_id": ["boolean", "string"]})
    decoded = decode([writer], [framed(writer, event(user_id=u)) for u in (True, "ann")])
    assert (reasons(decoded), users(decoded)) == ({0: "incompatible_schema"}, ["ann"])


def test_a_schema_that_is_no_record_does_not_fit() -> None:
    writer = record({"x": "int"})
    decoded = decode([writer], [framed(writer, {"x": 1})])
    assert reasons(decoded) == {0: "incompatible_schema"}


def test_records_that_repeat_a_lot_are_read_by_themselves() -> None:
    fields = {"kind": KIND, "kinds": {"type": "array", "items": "Kind"}, **FIELDS, "user_id": ["null", "string"]}
    writer = record({**fields, "occurred_at": ["null", MICROS]})
    many = {"kinds": ["STARTED"] * 1000, "occurred_at": NOON * 1000}
    values = [
        framed(writer, event(**{**many, "kinds": ["STARTED"] * 3}, user_id="ann")),
        framed(writer, event(**many, user_id="bób", action="pay", kind="COMPLETED")),
        framed(writer, event(**many, user_id="cid"))[:-1],
        framed(writer, event(**many, user_id="dx")).replace(b"dx", b"d\xff"),
        framed(writer, event(**many, user_id=None)),
        framed(writer, event(**{**many, "occurred_at": None}, user_id="eve")),
        framed(writer, event(**many, user_id="flo")) + b"\0",
    ]
    decoded = decode([writer], values)
    assert decoded.frame.drop("written_at").rows() == [
        (0, "ann", "checkout", Ending.NONE, None, NOON),
        (1, "bób", "checkout", Ending.COMPLETED, "pay", NOON),
    ]
    unreadable = dict.fromkeys([2, 3, 6], "unreadable")
    assert reasons(decoded) == {**unreadable, 5: "missing_field"}
    assert decoded.blank == 1


def test_a_misfit_that_is_read_by_itself_is_one_all_the_same() -> None:
    writer = record({**FIELDS, "user_id": ["boolean", "string"], "many": {"type": "array", "items": "int"}})
    values = [framed(writer, event(user_id=u, many=[0] * 100)) for u in (True, "ann")]
    decoded = decode([writer], values)
    assert (reasons(decoded), users(decoded)) == ({0: "incompatible_schema"}, ["ann"])
