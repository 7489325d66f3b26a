"""Where fields may lie: in elements of arrays, in JSON within a text, in the record's key, headers and timestamp."""

import json
from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.avro.single_record import build_single_reader
from consumer.activity.decoder import ActivityDecoder, Decoded
from consumer.activity.errors import BadRecord
from consumer.activity.field_paths import build_field_paths
from consumer.activity.schemas.avro_schema import parse, single_object_header
from consumer.activity.schemas.framing import registry_header
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import ManualClock
from consumer.config.sections.event_paths import Entry, steps_in
from consumer.config.sections.source import SourceSettings
from consumer.records import Ending

from .writing import (
    FIELDS,
    MILLIS,
    NOON,
    at_noon,
    body,
    decode,
    event,
    framed,
    own_events,
    process,
    reasons,
    record,
    rows,
    users,
)

PROCESSES = {"checkout": process(active_on=("viewed",), complete_on=("paid", "shop.Paid"))}
PATHS = {"user": "user", "time": "time", "event": "name"}


def mapped(*writers: Any, **paths: Any) -> ActivityDecoder:
    source = {**PATHS, **paths} if writers else {**PATHS, "format": "json", **paths}
    return own_events(SourceSettings.model_validate(source), PROCESSES, writers)


def said(**changes: Any) -> dict[str, Any]:
    return {"user": "ann", "time": NOON, "name": "viewed", **changes}


def heard(*events: Any, **paths: Any) -> Decoded:
    return at_noon(mapped(**paths), [json.dumps(one).encode() for one in events])


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("a.b", ("a", "b")),
        (r"a\.b.c", ("a.b", "c")),
        ("a[0].b", ("a", 0, "b")),
        ("a[0][12]", ("a", 0, 12)),
        ("a[key=plan].value", ("a", Entry("key", "plan"), "value")),
        ("a[key=my plan.v2]", ("a", Entry("key", "my plan.v2"))),
        (r"a\[0\]", ("a[0]",)),
        (r"\$key", ("$key",)),
        ("$header.ce_type", ("$header", "ce_type")),
        ("$header.a.b", ("$header", "a.b")),
        ("$key", ("$key",)),
        ("$key.id", ("$key", "id")),
        ("properties.$user_id", ("properties", "$user_id")),
    ],
)
def test_a_path_is_its_steps(path: str, steps: tuple[Any, ...]) -> None:
    assert steps_in(path) == steps


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("$.userId", "write userId"),
        ("$.a.b", "write a.b"),
        ("$user", "not one of $key"),
        ("$header", "$header.ce_type"),
        ("$timestamp.x", "nothing lies within $timestamp"),
        ("a..b", "joined by dots"),
        ("a.", "joined by dots"),
        ("", "joined by dots"),
        ("a[]", "joined by dots"),
        ("a[x]", "[key=plan]"),
        ("a[-1]", "[key=plan]"),
        ("[0].a", "joined by dots"),
    ],
)
def test_a_path_that_cannot_be_meant_says_how_to_write_it(path: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("$", r"\$").replace("[", r"\[")):
        steps_in(path)


CONTEXT = {"type": "record", "name": "Context", "fields": [{"name": "id", "type": ["null", "string", "long"]}]}
KEY = {"type": "enum", "name": "Key", "symbols": ["plan", "other"]}
PARAM = {
    "type": "record",
    "name": "Param",
    "fields": [
        {
            "name": "key",
            "type": ["null", "string", {"type": "enum", "name": "Key", "symbols": ["plan", "other"]}, "int"],
        },
        {"name": "value", "type": ["null", "string"]},
    ],
}
ARRAYS = record(
    {
        "contexts": ["null", {"type": "array", "items": ["null", CONTEXT]}],
        "params": {"type": "array", "items": PARAM},
        "tail": "string",
        "time": MILLIS,
        "name": "string",
    }
)
IN_ARRAYS = {"user": "contexts[1].id", "action": "params[key=plan].value"}

contexts = st.none() | st.lists(
    st.none() | st.fixed_dictionaries({"id": st.sampled_from([None, "ann", "", 7])}), max_size=3
)
params = st.lists(
    st.fixed_dictionaries(
        {"key": st.sampled_from([None, "plan", "plans", "pla", 7]), "value": st.sampled_from([None, "x", "y"])}
    ),
    max_size=4,
)
events = st.tuples(contexts, params, st.sampled_from([0, 0, 0, 80]))


def plainly(found: Any, pairs: list[dict[str, Any]]) -> tuple[str, str | None] | None:
    """The user and the action of an event; None where it has no user."""
    user = found[1]["id"] if found and len(found) > 1 and found[1] else None
    action = next((pair["value"] for pair in pairs if pair["key"] == "plan"), None)
    return None if user in (None, "") else (str(user), action)


@pytest.mark.slow
@given(st.lists(events, max_size=8))
@settings(max_examples=150, deadline=None)
def test_elements_of_arrays_are_read_alike_together_singly_and_from_json(data: Sequence[tuple[Any, Any, int]]) -> None:
    filler = {"key": "other", "value": "z"}
    given = [
        {"contexts": found, "params": pairs + [filler] * more, "tail": "t", "time": NOON, "name": "viewed"}
        for found, pairs, more in data
    ]
    expected = [row for found, pairs, _ in data if (row := plainly(found, pairs))]
    avro = at_noon(mapped(ARRAYS, **IN_ARRAYS), [framed(ARRAYS, one) for one in given])
    for decoded in (avro, heard(*given, **IN_ARRAYS)):
        assert [(row[0], row[3]) for row in rows(decoded)] == expected
        assert decoded.bad == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("params[key=plan].value", "x--"),
        ("params[key=7].value", "-x-"),
        ("params[key=07].value", "---"),
        ("params[key=--7].value", "---"),
        (f"params[key={10**19}].value", "---"),
    ],
)
@pytest.mark.parametrize("more", [0, 80])
def test_keys_of_elements_may_be_symbols_and_numbers(path: str, expected: str, more: int) -> None:
    around = {"contexts": None, "tail": "", "time": NOON, "name": "ann"}
    symbol: Any = ("Key", "plan")
    others = [{"key": None, "value": None}] * more
    given = [{**around, "params": [{"key": key, "value": "x"}, *others]} for key in (symbol, 7, "other")]
    source = SourceSettings.model_validate({"user": "name", "time": "time", "event": "$record", "action": path})
    decoder = own_events(source, {"p": process(active_on=("Event",))}, [ARRAYS])
    decoded = at_noon(decoder, [framed(ARRAYS, one) for one in given])
    assert "".join(action or "-" for action in decoded.frame["action"].to_list()) == expected


damages = st.tuples(st.integers(10, 90), st.integers(0, 3), st.binary(max_size=3) | st.just(b"\x80" * 11))


@pytest.mark.slow
@given(st.lists(st.tuples(events, st.none() | damages), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_damaged_arrays_are_judged_alike_together_and_singly(
    data: list[tuple[tuple[Any, Any, int], tuple[int, int, bytes] | None]],
) -> None:
    source = SourceSettings.model_validate({**PATHS, **IN_ARRAYS})
    fields = build_field_paths(source, PROCESSES)
    read_one = build_single_reader(ARRAYS, 10, fields, None)
    read_all = AvroReader(WriterSchemas(ManualClock(), others=[ARRAYS]), fields)
    values, rows, bad = [], [], []
    for index, ((found, pairs, _), damage) in enumerate(data):
        event = {"contexts": found, "params": pairs, "tail": "t", "time": NOON, "name": "viewed"}
        value = framed(ARRAYS, event)
        if damage:
            at, cut, piece = damage
            value = value[:at] + piece + value[at + cut :]
        values.append(value)
        try:
            rows.append((index, *(read_one(value, {}) or ())))
        except BadRecord as problem:
            bad.append((index, problem.reason))
    together = read_all(values)
    assert together.frame.rows() == rows
    assert sorted((one.index, one.reason) for one in together.bad) == bad


class TestJsonWithinText:
    def test_is_read_through_from_json(self) -> None:
        texts = [
            '{"id": "ann", "deep": "{\\"plan\\": \\"gold\\"}"}',
            {"id": "bob", "deep": {"plan": "tin"}},
            "ann",
            "",
            "[]",
            None,
            7,
        ]
        decoded = heard(*(said(user=text) for text in texts), user="user.id", action="user.deep.plan")
        assert [(row[0], row[3]) for row in rows(decoded)] == [("ann", "gold"), ("bob", "tin")]
        assert (decoded.ignored, decoded.bad) == (5, [])

    def test_is_read_through_from_avro(self) -> None:
        writer = record({"props": ["null", "string"], "time": MILLIS, "name": "string"})
        texts = ['{"id": 42.0, "plan": "gold"}', '{"id": "bob"}', "ann", "", None, "[1]"]
        values = [framed(writer, {"props": text, "time": NOON, "name": "viewed"}) for text in texts]
        decoded = at_noon(mapped(writer, user="props.id", action="props.plan"), values)
        assert [(row[0], row[3]) for row in rows(decoded)] == [("42", "gold"), ("bob", None)]
        assert (decoded.ignored, decoded.bad) == (4, [])

    def test_holds_values_of_the_wrong_kind_like_any_other(self) -> None:
        decoded = heard(said(user='{"id": [1]}'), said(user='{"id": "ann"}'), user="user.id")
        assert (reasons(decoded), users(decoded)) == ({0: "unreadable"}, ["ann"])


class TestTheRecordAroundTheValue:
    def test_has_the_user_in_its_key(self) -> None:
        keys = [b"ann", b'"bob"', b'"eve', b"42", None, b"", b"\xff\xfe", b"\x00\x00\x00\x31", b'{"id": 1}']
        values = [json.dumps(said(user="nobody")).encode()] * len(keys)
        decoded = at_noon(mapped(user="$key"), values, keys)
        assert users(decoded) == ["ann", "bob", '"eve', "42"]
        assert (reasons(decoded), decoded.ignored) == (dict.fromkeys((6, 7, 8), "unreadable"), 2)
        assert all("$key (source.user)" in bad.error for bad in decoded.bad)

    @pytest.mark.parametrize("form", ["json", "avro"])
    def test_has_the_user_in_a_key_that_is_read_by_its_schema(self, form: str) -> None:
        """The one byte of the number 49 is the digit 1, and customer 1 is somebody else."""
        text, decimal = parse('"string"'), parse('{"type": "bytes", "logicalType": "decimal", "precision": 38}')
        opaque, whole = parse('"bytes"'), record({"id": "long"}, name="Whole")
        said_it = record({"time": MILLIS, "name": "string"}, name="Said")
        keys = [
            single_object_header(text) + b"\x06ann",
            single_object_header(decimal) + b"\x02\x31",
            single_object_header(whole) + b"\x62",
            registry_header(7) + b"\x06eve",
            b"bob",
            None,
        ]
        more = {"format": form, "user": "$key", "time": "time", "event": "name"}
        decoder = own_events(SourceSettings.model_validate(more), PROCESSES, [text, decimal, whole, said_it])
        values = [json.dumps(said()).encode(), framed(said_it, {"time": NOON, "name": "viewed"})]
        decoded = at_noon(decoder, [values[form == "avro"]] * len(keys), keys)
        assert users(decoded) == ["ann", "49", "bob"]
        assert (reasons(decoded), decoded.ignored) == ({2: "incompatible_schema", 3: "unknown_schema"}, 1)
        assert "$key (source.user) is of type record" in decoded.bad[0].error
        decoder = own_events(SourceSettings.model_validate(more), PROCESSES, [opaque, said_it])
        decoded = at_noon(decoder, values[form == "avro" :][:1], [single_object_header(opaque) + b"\x021"])
        assert reasons(decoded) == {0: "incompatible_schema"}

    def test_has_more_in_its_key_and_the_rest_in_its_value(self) -> None:
        source = SourceSettings.model_validate(
            {"format": "json", "user": "$key.id", "kind": "$key.kind", "process": "p", "action": "what", "time": "time"}
        )
        value = json.dumps({"p": "kyc", "what": "pay", "time": NOON}).encode()
        keys = [b'{"id": 7, "kind": "COMPLETED"}', b'{"id": 8, "kind": null}']
        decoded = at_noon(own_events(source, {"kyc": process()}), [value] * 2, keys)
        assert rows(decoded) == [("7", "kyc", Ending.COMPLETED, "pay", NOON)]
        assert reasons(decoded) == {1: "missing_field"}

    def test_has_the_user_within_its_key(self) -> None:
        keys = [b'{"id": 49}', b'{"payload": 1}', b"{", None]
        decoded = at_noon(mapped(user="$key.id"), [json.dumps(said()).encode()] * 4, keys)
        assert (users(decoded), reasons(decoded), decoded.ignored) == (["49"], {2: "unreadable"}, 2)
        writer, key = record({"time": MILLIS, "name": "string"}), record({"id": "long"}, name="Key")
        value = framed(writer, {"time": NOON, "name": "viewed"})
        decoded = at_noon(mapped(writer, key, user="$key.id"), [value] * 3, [framed(key, {"id": 49}), None, b"?"])
        assert (users(decoded), reasons(decoded), decoded.ignored) == (["49"], {2: "unframed"}, 1)

    def test_has_the_time_in_its_timestamp(self) -> None:
        assert rows(heard(said(time="?"), time="$timestamp")) == [("ann", "checkout", Ending.NONE, None, NOON)]

    def test_has_the_name_in_a_header(self) -> None:
        headers: list[Any] = [
            [("ce_type", b"viewed")],
            [("ce_type", b"viewed"), ("ce_id", b"1"), ("ce_type", b"paid")],
            [("ce_type", b"else")],
            [("ce_type", b"\xff")],
            [("ce_type", None)],
            [],
            None,
        ]
        values = [json.dumps(said()).encode()] * 7
        decoded = at_noon(mapped(event="$header.ce_type"), values, headers=headers)
        assert [row[2] for row in rows(decoded)] == [Ending.NONE, Ending.COMPLETED], "the last of several counts"
        assert (decoded.bad, decoded.ignored) == ([], 5)

    def test_of_an_event_that_nobody_wants_is_not_judged(self) -> None:
        headers = [
            [("n", b"else"), ("u", b"\xff")],
            [("n", b"viewed"), ("u", b"\xff")],
            [("n", b"viewed"), ("u", b"ann")],
        ]
        value = json.dumps({"time": NOON}).encode()
        odd = json.dumps({"time": []}).encode()
        decoder = mapped(event="$header.n", user="$header.u")
        decoded = at_noon(decoder, [value] * 3, headers=headers)
        assert (users(decoded), reasons(decoded), decoded.ignored) == (["ann"], {1: "unreadable"}, 1)
        assert at_noon(decoder, [odd] * 3, headers=headers).ignored == 1

    def test_has_fields_of_every_kind_in_headers(self) -> None:
        source = SourceSettings.model_validate(
            {"format": "json", "user": "$header.u", "time": "$header.t", "process": "$header.p", "kind": "$header.k"}
        )
        decoder = own_events(source, {"kyc": process()})
        headers = [[("u", b"ann"), ("t", b"2026-09-21T14:13:20Z"), ("p", b"kyc"), ("k", b"COMPLETED")]] * 2
        headers[1] = [*headers[1], ("t", b"soon")]
        decoded = at_noon(decoder, [b"{}", b"{}"], headers=headers)
        assert rows(decoded) == [("ann", "kyc", Ending.COMPLETED, None, NOON)]
        assert reasons(decoded) == {1: "unreadable"}


def rec(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]}


class TestTheRecordsName:
    VIEWED = rec("shop.viewed", user="string", time=MILLIS)
    PAID = rec("shop.Paid", user="string", time=MILLIS, many={"type": "array", "items": "int"})
    SEEN = rec("shop.Seen", url="string")

    def test_may_be_the_event(self) -> None:
        writers = [parse(json.dumps(one)) for one in (self.VIEWED, self.PAID, self.SEEN)]
        data: list[tuple[int, dict[str, Any]]] = [
            (0, {}),
            (1, {"many": []}),
            (1, {"many": [0] * 100}),
            (2, {"url": "/"}),
        ]
        values = [framed(writers[n], {"user": "ann", "time": NOON, **more}) for n, more in data]
        decoded = at_noon(mapped(*writers, event="$record"), values[:3])
        assert [row[2] for row in rows(decoded)] == [Ending.NONE, Ending.COMPLETED, Ending.COMPLETED]
        decoded = at_noon(mapped(*writers, event="$record", records=["viewed"]), values)
        assert (len(rows(decoded)), decoded.ignored) == (1, 3)

    def test_may_be_that_of_a_branch(self) -> None:
        union = parse(json.dumps([self.VIEWED, self.PAID, self.SEEN]))
        data: list[tuple[int, dict[str, Any]]] = [
            (0, {"user": "ann", "time": NOON}),
            (1, {"user": "ann", "time": NOON, "many": []}),
            (1, {"user": "bob", "time": NOON, "many": [0] * 100}),
            (2, {"url": "/"}),
        ]
        writers = [parse(json.dumps(one)) for one in (self.VIEWED, self.PAID, self.SEEN)]
        values = [single_object_header(union) + bytes([2 * n]) + body(writers[n], one) for n, one in data]
        decoded = at_noon(mapped(union, event="$record"), values)
        assert [(row[0], row[2]) for row in rows(decoded)] == [
            ("ann", Ending.NONE),
            ("ann", Ending.COMPLETED),
            ("bob", Ending.COMPLETED),
        ]
        for records, read in ((["Paid"], 2), (["shop.viewed"], 1), (["Seen"], 0), (["Else"], 0)):
            decoded = at_noon(mapped(union, event="$record", records=records), values)
            assert (len(rows(decoded)), decoded.ignored, decoded.bad) == (read, 4 - read, [])


def test_json_may_be_behind_a_registry_frame() -> None:
    plain, framed_ = json.dumps(said()).encode(), registry_header(7) + json.dumps(said(user="bob")).encode()
    odd = registry_header(7) + json.dumps(said(user=["x"])).encode()
    for values, expected in (
        ([framed_] * 3, ["bob"] * 3),
        ([plain, framed_, plain, framed_], ["ann", "bob"] * 2),
        ([framed_, plain, odd, None, framed_], ["bob", "ann", "bob"]),
        ([odd, framed_], ["bob"]),
    ):
        decoded = at_noon(mapped(), values)
        assert users(decoded) == expected
        assert list(reasons(decoded)) == [n for n, value in enumerate(values) if value is odd]
    assert reasons(at_noon(mapped(), [b"\x00\x00\x00\x00\x07", b"\x00"])) == {0: "unreadable", 1: "unreadable"}


def test_a_header_of_glue_is_refused_with_what_to_do() -> None:
    for compression in (b"\x00", b"\x05"):
        value = b"\x03" + compression + bytes(range(16)) + b"{}"
        for decoded in (at_noon(mapped(), [value]), decode([record(FIELDS)], [value])):
            assert reasons(decoded) == {0: "foreign_frame"}
            assert "AWS Glue" in decoded.bad[0].error
    assert reasons(decode([record(FIELDS)], [body(record(FIELDS), event())])) == {0: "unframed"}


def test_local_times_need_a_time_zone() -> None:
    local = {"type": "long", "logicalType": "local-timestamp-millis"}
    debezium = {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}
    for kind, number in (
        (local, NOON + 7_200_000),
        (debezium, (NOON + 7_200_000) * 1000),
        ("string", "2026-09-21T16:13:20"),
    ):
        writer = record({"user": "string", "time": kind, "name": "string"})
        value = framed(writer, {"user": "ann", "time": number, "name": "viewed"})
        assert rows(at_noon(mapped(writer, timezone="Europe/Paris"), [value]))[0][4] == NOON
        without = at_noon(mapped(writer), [value])
        if kind is local:
            assert reasons(without) == {0: "incompatible_schema"}
            assert "needs source.timezone" in without.bad[0].error
        else:
            assert without.skew.tolist() == [-7_200_000]
