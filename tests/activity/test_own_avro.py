"""A platform's own Avro events: paths into records, unions and maps, and what its schemas may call things."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from consumer.activity.avro.cursor import Cursor
from consumer.activity.build import build_decoder
from consumer.activity.decoder import Decoded
from consumer.activity.schemas.avro_schema import UnusableSchema, WriterSchema, parse, read_schemas
from consumer.activity.schemas.framing import registry_header
from consumer.activity.schemas.registry import RegistryClient
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import ManualClock
from consumer.config.sections.source import SourceSettings
from consumer.records import Ending

from .registry import SchemaRegistry
from .writing import KIND, MICROS, MILLIS, NOON, at_noon, body, framed, own_events, process, reasons, record, rows

PROCESSES = {"checkout": process(active_on=("viewed",), complete_on=("paid",))}
PATHS = {"user": "user.id", "time": "time", "event": "name"}


def rec(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]}


USER = rec("User", email="string", id="string")
FIELDS = {"id": "string", "name": "string", "user": USER, "time": MILLIS}


def track(**changes: Any) -> dict[str, Any]:
    return {"id": "e1", "name": "viewed", "user": {"email": "a@b", "id": "ann"}, "time": NOON, **changes}


def heard(writer: WriterSchema, *data: dict[str, Any], **paths: Any) -> Decoded:
    source = SourceSettings.model_validate({**PATHS, **paths})
    return at_noon(own_events(source, PROCESSES, [writer]), [framed(writer, datum) for datum in data])


@pytest.mark.parametrize(
    ("items", "block"),
    [
        ({"type": "array", "items": "int"}, b"\x02\x00"),
        ({"type": "array", "items": "boolean"}, b"\x01\x02\x00"),
        ({"type": "map", "values": "null"}, b"\x02\x00"),
        ({"type": "array", "items": {"type": "array", "items": "int"}}, b"\x02\x02\x00\x00"),
    ],
    ids=["array", "negative count", "map", "array of arrays"],
)
def test_a_record_of_very_many_blocks_takes_no_more_steps_than_others(
    items: Any, block: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, long = count(), Cursor.long

    def counted(at: Cursor) -> Any:
        next(steps)
        return long(at)

    monkeypatch.setattr(Cursor, "long", counted)
    writer = record({"many": items, **FIELDS})
    empty = framed(writer, track(many=[] if items["type"] == "array" else {}))
    head, rest = empty[:10], empty[11:]
    values = [empty, head + block * (900_000 // len(block)) + b"\x00" + rest, empty]
    decoded = at_noon(own_events(SourceSettings.model_validate(PATHS), PROCESSES, [writer]), values)
    assert decoded.frame["user_id"].to_list() == ["ann"] * 3
    assert next(steps) < 3_000


def test_a_schema_of_names_that_stand_for_billions_of_fields_is_refused() -> None:
    inner: Any = "int"
    for level in range(60):
        inner = {"type": "record", "name": f"L{level}", "fields": [{"name": "a", "type": inner}]}
        inner["fields"].append({"name": "b", "type": f"L{level - 1}" if level else "int"})
    with pytest.raises(UnusableSchema, match="more than 10,000 parts"):
        parse(json.dumps(inner))


def test_a_path_leads_into_a_record() -> None:
    decoded = heard(record(FIELDS), track(), track(name="paid"), track(name="else"))
    assert rows(decoded) == [
        ("ann", "checkout", Ending.NONE, None, NOON),
        ("ann", "checkout", Ending.COMPLETED, None, NOON),
    ]
    assert decoded.ignored == 1


def test_a_path_leads_through_unions_to_where_it_fits() -> None:
    guest = rec("Guest", cookie="string")
    writer = record({**FIELDS, "user": ["null", guest, USER, "string"], "name": ["null", "string"]})
    people: list[Any] = [None, {"cookie": "c"}, {"email": "", "id": "ann"}, "nobody"]
    decoded = heard(writer, *(track(user=user) for user in people), track(user=people[2], name=None))
    assert decoded.frame["index"].to_list() == [2]
    assert (decoded.ignored, decoded.bad) == (4, [])


def test_a_path_leads_into_a_map_by_its_keys() -> None:
    writer = record({**FIELDS, "traits": {"type": "map", "values": ["null", "double", "string"]}})
    traits: list[dict[str, Any]] = [
        {"plan": "gold"},
        {"age": 7.0, "plan": "silver", "plans": "no", "pla": "no"},
        {},
        {"plan": None, "x": "y"},
        {f"k{n}": "v" for n in range(100)} | {"plan": "many"},
    ]
    decoded = heard(writer, *(track(traits=each) for each in traits), action="traits.plan")
    assert decoded.frame["action"].to_list() == ["gold", "silver", None, None, "many"]


def test_a_path_leads_into_maps_of_records_and_a_key_may_have_dots() -> None:
    writer = record({**FIELDS, "people": {"type": "map", "values": "User"}})
    someone = {"email": "", "id": "bob"}
    data = [track(people={"sent.by": someone, "sent": {"email": "", "id": "no"}}), track(people={})]
    decoded = heard(writer, *data, user=r"people.sent\.by.id")
    assert [row[0] for row in rows(decoded)] == ["bob"]
    assert decoded.ignored == 1


def test_names_may_be_enums_of_several_writers() -> None:
    one = record({**FIELDS, "name": {"type": "enum", "name": "Name", "symbols": ["other", "paid", "viewed"]}})
    two = record(
        {**FIELDS, "name": ["null", {"type": "enum", "name": "Name", "symbols": ["viewed", "paid"]}, "string"]}
    )
    values = [framed(w, track(name=name)) for name in ("viewed", "paid") for w in (one, two)]
    values += [framed(one, track(name="other")), framed(two, track(name=None))]
    decoder = own_events(SourceSettings.model_validate(PATHS), PROCESSES, [one, two])
    for times in (1, 200):
        decoded = at_noon(decoder, values * times)
        assert (
            decoded.frame["ending"].to_list() == [Ending.NONE, Ending.NONE, Ending.COMPLETED, Ending.COMPLETED] * times
        )
        assert decoded.ignored == 2 * times


@pytest.mark.parametrize(
    ("kind", "value", "unit"),
    [
        (MILLIS, NOON, None),
        (MICROS, NOON * 1000 + 999, "seconds"),  # what the schema says counts
        ({"type": "long", "logicalType": "timestamp-nanos"}, NOON * 10**6, None),
        ("long", NOON, None),
        ("long", NOON // 1000, None),
        ("int", NOON // 1000, None),
        ("long", NOON * 1000, None),
        ("long", NOON * 10**6, None),
        ("long", NOON // 1000, "seconds"),
        ("long", NOON, "millis"),
        ("double", NOON / 1000, None),
        ("double", NOON / 1000, "seconds"),
        ("string", "2026-09-21T14:13:20Z", None),
        ("string", "2026-09-21T16:13:20.000+02:00", "micros"),
        (["null", "string", MICROS], NOON * 1000, None),
    ],
)
def test_a_time_is_in_the_unit_that_its_schema_or_the_configuration_or_its_size_tells(
    kind: Any, value: Any, unit: str | None
) -> None:
    writer = record({**FIELDS, "time": kind})
    assert rows(heard(writer, track(time=value), time_unit=unit)) == [("ann", "checkout", Ending.NONE, None, NOON)]


def test_a_unit_that_is_told_is_not_doubted() -> None:
    decoded = heard(record({**FIELDS, "time": "long"}), track(time=NOON), time_unit="micros")
    assert reasons(decoded) == {0: "time_before_2000"}


@pytest.mark.parametrize("path", ["user", "time", "event"])
def test_a_schema_without_a_place_for_a_path_does_not_fit(path: str) -> None:
    for elsewhere in ("nowhere", "user.nowhere"):
        decoded = heard(record(FIELDS), track(), **{path: elsewhere})
        assert reasons(decoded) == {0: "incompatible_schema"}
        assert elsewhere in decoded.bad[0].error


def test_a_schema_without_an_action_has_none() -> None:
    assert rows(heard(record(FIELDS), track(), action="properties.product"))[0][3] is None


def test_a_path_that_ends_at_something_else_does_not_fit() -> None:
    decoded = heard(record(FIELDS), track(), user="user")
    assert reasons(decoded) == {0: "incompatible_schema"}
    assert "user" in decoded.bad[0].error


def test_of_an_event_that_nobody_wants_nothing_has_to_fit() -> None:
    odd = rec("Odd", id="double")
    writer = record({"user": [USER, odd], "time": ["long", "boolean", "string"], "name": "string"})
    strange = {"user": {"id": 1.5}, "time": True}
    data = [track(**strange, name="else"), track(**strange), track(time="soon", name="else"), track(time="soon")]
    decoded = heard(writer, *data, track())
    assert decoded.frame["index"].to_list() == [4]
    assert (reasons(decoded), decoded.ignored) == ({1: "incompatible_schema", 3: "unreadable"}, 2)


def test_records_of_other_names_may_be_left_alone() -> None:
    track_of, page = record(FIELDS, name="shop.Track"), record({"url": "string"}, name="shop.Page")
    values = [framed(track_of, track()), framed(page, {"url": "/"}), framed(track_of, track(name="paid"))]
    for names, expected in ((["Track"], {}), (["shop.Track"], {}), ([], {1: "incompatible_schema"})):
        source = SourceSettings.model_validate({**PATHS, "records": names})
        decoded = at_noon(own_events(source, PROCESSES, [track_of, page]), values)
        assert (decoded.frame["index"].to_list(), reasons(decoded)) == ([0, 2], expected)
        assert decoded.ignored == 1 - len(expected)


def test_a_schema_may_be_a_union_of_records() -> None:
    union = parse(json.dumps([rec("Track", **FIELDS), rec("Page", url="string")]))
    decoded = heard(union, track(), {"url": "/"}, track(name="paid"))
    assert (decoded.frame["index"].to_list(), decoded.ignored, decoded.bad) == ([0, 2], 1, [])


def test_an_event_may_name_its_process_and_its_kind() -> None:
    writer = record({**FIELDS, "flow": ["null", "string"], "what": KIND})
    source = SourceSettings.model_validate({"user": "user.id", "time": "time", "process": "flow", "kind": "what"})
    data = [track(flow="kyc", what="COMPLETED"), track(flow=None, what="STARTED")]
    decoded = at_noon(own_events(source, {"kyc": process()}, [writer]), [framed(writer, datum) for datum in data])
    assert (rows(decoded), decoded.ignored) == ([("ann", "kyc", Ending.COMPLETED, None, NOON)], 1)


def test_damaged_events_are_unreadable_whether_wanted_or_not() -> None:
    writer = record(FIELDS)
    values = [framed(writer, track(name=name))[:-1] for name in ("viewed", "else")] + [framed(writer, track())]
    decoded = at_noon(own_events(SourceSettings.model_validate(PATHS), PROCESSES, [writer]), values)
    assert (reasons(decoded), decoded.frame["index"].to_list()) == ({0: "unreadable", 1: "unreadable"}, [2])


def test_schemas_come_from_a_registry(registry: SchemaRegistry) -> None:
    client = RegistryClient(registry.url)
    older, newer = rec("Event", **FIELDS), rec("Event", at=MILLIS, **FIELDS)
    values = []
    for schema, more in ((older, {}), (newer, {"at": 0})):
        writer = parse(json.dumps(schema))
        schema_id = client.register("own-events-value", json.dumps(schema))
        values += [registry_header(schema_id) + body(writer, track(**more, name=name)) for name in ("viewed", "paid")]
    source = SourceSettings.model_validate(PATHS)
    decoder = build_decoder(source, PROCESSES, WriterSchemas(ManualClock(), client))
    assert [row[1:3] for row in rows(at_noon(decoder, values))] == [
        ("checkout", Ending.NONE),
        ("checkout", Ending.COMPLETED),
    ] * 2


def test_schemas_come_from_files(tmp_path: Path) -> None:
    event, half, absent = (tmp_path / name for name in ("event.avsc", "half.avsc", "absent.avsc"))
    event.write_text(json.dumps(rec("shop.Event", **FIELDS)))
    half.write_text(json.dumps(rec("shop.Event", **{**FIELDS, "user": "shop.User"})))
    (writer,) = read_schemas([event])
    assert rows(heard(writer, track())) == [("ann", "checkout", Ending.NONE, None, NOON)]
    with pytest.raises(UnusableSchema, match=r"half\.avsc: user has the type shop\.User, which is not defined"):
        read_schemas([event, half])
    with pytest.raises(UnusableSchema, match=r"absent\.avsc cannot be read"):
        read_schemas([absent])
