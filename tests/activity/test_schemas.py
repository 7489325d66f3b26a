"""The schema files are those of our records, and a writer's schema is found by the first bytes of its values."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING, fields
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints
from uuid import uuid4

import pytest

from consumer.activity.errors import BadRecord, RegistryUnavailable, SchemaRefused
from consumer.activity.schemas.avro_schema import (
    FILES,
    UnusableSchema,
    WriterSchema,
    own,
    parse,
    schema_folder,
    schema_text,
    single_object_header,
)
from consumer.activity.schemas.framing import header_of, registry_header
from consumer.activity.schemas.registry import RegistryClient
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SECOND, ManualClock
from consumer.records import Contact, Record, UserActivity

from ..self_signed import self_signed
from .registry import SchemaRegistry, SmallRegistry, schema_registry
from .writing import FIELDS, record

NOBODYS = 2_000_000_000
"""An id that no registry has given away."""
ALL = sorted(FILES, key=lambda cls: cls.__name__)


def field_of(cls: type[Record], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in json.loads(schema_text(cls))["fields"] if f["name"] == name)
    return found


def test_every_schema_file_belongs_to_a_record() -> None:
    assert {path.name for path in schema_folder().glob("*.avsc")} == set(FILES.values())


@pytest.mark.parametrize("cls", ALL)
def test_a_schema_has_the_fields_of_its_record_in_order(cls: type[Record]) -> None:
    schema = json.loads(schema_text(cls))
    assert (schema["namespace"], schema["name"]) == ("lapse", cls.__name__)
    assert [f["name"] for f in schema["fields"]] == [f.name for f in fields(cls)]
    assert all(f["doc"] for f in (schema, *schema["fields"]))


@pytest.mark.parametrize("cls", ALL)
def test_what_may_be_null_in_a_record_may_be_null_in_its_schema_and_is_by_default(cls: type[Record]) -> None:
    hints = get_type_hints(cls)
    for f in fields(cls):
        nullable = isinstance(hints[f.name], UnionType) and NoneType in get_args(hints[f.name])
        field = field_of(cls, f.name)
        assert (isinstance(field["type"], list) and field["type"][0] == "null") == nullable, f.name
        assert ("default" in field and field["default"] is None) == nullable, f.name
        if f.default is not MISSING:
            assert field["default"] == f.default, f.name


@pytest.mark.parametrize("cls", ALL)
def test_times_are_milliseconds_and_enums_have_a_default(cls: type[Record]) -> None:
    hints = get_type_hints(cls)
    for field in json.loads(schema_text(cls))["fields"]:
        kind = field["type"][-1] if isinstance(field["type"], list) else field["type"]
        is_time = field["name"].endswith("_at") or field["name"] in ("last_seen", "until")
        assert (isinstance(kind, dict) and kind.get("logicalType") == "timestamp-millis") == is_time, field["name"]
        if isinstance(kind, dict) and kind["type"] == "enum":
            assert kind["default"] in kind["symbols"]
            hint = hints[field["name"]]
            assert hint is str or (issubclass(hint, StrEnum) and kind["symbols"] == [str(member) for member in hint])


def test_a_kind_of_activity_that_nobody_knows_is_a_sign_of_life() -> None:
    assert field_of(UserActivity, "kind")["type"]["default"] == "PROGRESSED"


def test_no_two_schemas_name_a_type_alike() -> None:
    names = [name for cls in ALL for name in own(cls).named]
    assert len(names) == len(set(names))


def test_the_fingerprint_is_the_one_of_the_avro_specification() -> None:
    # CRC-64-AVRO of "null" is 63dd24e7cc258f8a; single-object encoding has it in little-endian order.
    assert single_object_header(parse('"null"')).hex() == "c3018a8f25cce724dd63"


def test_a_header_is_the_first_bytes_of_either_framing() -> None:
    assert header_of(b"\x00\x00\x00\x00\x07rest") == registry_header(7)
    assert header_of(b"\xc3\x0112345678rest") == b"\xc3\x0112345678"
    for value in (b"", b"{}", b"\x00\x00", b"\xc3\x01123", b"\xc3\x0212345678"):
        with pytest.raises(BadRecord) as caught:
            header_of(value)
        assert caught.value.reason == "unframed"


def test_our_own_records_are_not_read_where_a_few_bytes_could_ask_for_unbounded_time() -> None:
    """Activities are: they are not read with fastavro, which 5,000 nested levels in 5,000 bytes would end."""
    empty = {"type": "record", "name": "Empty", "fields": []}
    for items in ("null", empty, {"type": "fixed", "name": "F", "size": 0}):
        with pytest.raises(UnusableSchema, match="take no bytes"):
            _ = record({**FIELDS, "many": ["null", {"type": "array", "items": items}]}).bare
    assert record({**FIELDS, "many": {"type": "array", "items": "int"}}).bare
    tree = {"type": "record", "name": "Tree", "fields": [{"name": "in", "type": ["null", "Tree"]}]}
    with pytest.raises(UnusableSchema, match="Tree contains itself"):
        _ = record({**FIELDS, "tree": tree}).logical
    with pytest.raises(UnusableSchema, match="Event contains itself"):
        _ = record({**FIELDS, "history": {"type": "map", "values": "Event"}}).bare


NO_SIZE = "x has the type F, a fixed whose size is no number of bytes"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("Foo", "x has the type Foo, which is not defined"),
        ({"type": "fixed", "name": "F", "size": "3"}, NO_SIZE),
        ({"type": "fixed", "name": "F", "size": True}, NO_SIZE),
        ({"type": "fixed", "name": "F", "size": 2**31}, NO_SIZE),
        (["null", {"type": "fixed", "name": "F", "size": 10**30}], NO_SIZE),
        ({"type": "enum", "name": "int", "symbols": []}, "x defines a type int, a name that Avro keeps for its own"),
        ({"type": "array"}, "x has no type"),
        ({"type": "enum", "name": "E"}, "x has a type enum without symbols"),
        ({"type": "record", "name": "R", "fields": [{"name": "y", "type": {"type": "map"}}]}, "x.y has no type"),
        (["null", {"type": "record", "fields": []}], "x has a type record without a name"),
        ({"type": "record", "name": "Event", "fields": []}, "x defines the type Event a second time"),
    ],
)
def test_an_unusable_schema_names_the_field_and_why(kind: Any, why: str) -> None:
    with pytest.raises(UnusableSchema) as caught:
        record({**FIELDS, "x": kind})
    assert str(caught.value) == why


def test_what_is_no_schema_is_refused() -> None:
    for text in ("", "[]]", '{"type": "record"}', '{"type": "wreckord"}'):
        with pytest.raises(UnusableSchema):
            parse(text)


@pytest.mark.parametrize(
    "again",
    [
        lambda name: name,
        lambda name: {"type": "array", "items": name, "name": "Q"},
        lambda name: {"type": {"type": name}, "doc": "written at length"},
    ],
)
def test_a_few_names_of_names_cannot_make_billions_of_parts(again: Callable[[str], Any]) -> None:
    """However they are written; and the parts are counted without going through them all."""
    fields: dict[str, Any] = {}
    for level in range(60):
        inside = again(f"N{level - 1}") if level else "int"
        both = [{"name": side, "type": inside} for side in ("a", "b")]
        fields[f"f{level}"] = {"type": "record", "name": f"N{level}", "fields": both}
    with pytest.raises(UnusableSchema, match="its values have more than 10,000 parts"):
        record({**FIELDS, **fields})


def fresh() -> str:
    """A schema that no registry has seen."""
    return json.dumps({"type": "record", "name": f"Fresh{uuid4().hex}", "fields": []})


def test_the_registry_is_asked_once_for_a_schema(registry: SchemaRegistry) -> None:
    client = RegistryClient(registry.url)
    schema_id = client.register("user-activity-value", schema_text(UserActivity))
    registry.requests.clear()
    writers = WriterSchemas(ManualClock(), RegistryClient(registry.url))
    assert [writers.find(registry_header(schema_id)).schema for _ in range(3)] == [own(UserActivity).schema] * 3
    assert registry.requests == [f"GET /schemas/ids/{schema_id}"]


def test_a_schema_that_is_registered_again_keeps_its_id(registry: SchemaRegistry) -> None:
    ids = {RegistryClient(registry.url).register("contacts-value", schema_text(Contact)) for _ in range(3)}
    assert len(ids) == 1


def test_an_id_that_is_registered_later_becomes_readable(registry: SchemaRegistry) -> None:
    clock = ManualClock()
    writers = WriterSchemas(clock, RegistryClient(registry.url))
    client = RegistryClient(registry.url)
    following = client.register("fresh-value", fresh()) + 1
    registry.requests.clear()
    for _ in range(3):
        with pytest.raises(BadRecord, match=f"no schema id {following}") as caught:
            writers.find(registry_header(following))
        assert caught.value.reason == "unknown_schema"
    assert len(registry.requests) == 1
    assert client.register("fresh-value", later := fresh()) == following
    clock.advance(10 * SECOND)
    assert writers.find(registry_header(following)).schema == parse(later).schema


@pytest.mark.slow
def test_a_registry_that_cannot_be_asked_is_no_bad_record(registry: SchemaRegistry) -> None:
    registry.down = True
    with pytest.raises(RegistryUnavailable, match="503"):
        WriterSchemas(ManualClock(), RegistryClient(registry.url)).find(registry_header(1))
    registry.down = False
    with pytest.raises(RegistryUnavailable, match="404"):
        WriterSchemas(ManualClock(), RegistryClient(registry.url + "/elsewhere")).find(registry_header(1))
    with pytest.raises(RegistryUnavailable, match="is it running"):
        WriterSchemas(ManualClock(), RegistryClient("http://127.0.0.1:1")).find(registry_header(1))


def test_an_answer_without_a_schema_is_no_bad_record() -> None:
    """A proxy in between answers everything in JSON."""
    with (
        schema_registry(lambda method, path, body: (200, {"status": "ok"})) as registry,
        pytest.raises(RegistryUnavailable, match=r"without a schema: is schema_registry\.url right"),
    ):
        RegistryClient(registry.url).find(1)


def test_the_registry_is_told_who_asks_and_its_password_stays_out_of_errors(registry: SchemaRegistry) -> None:
    registry.login = "lapse:hush:hush"
    assert RegistryClient(registry.url, user="lapse", password="hush:hush").find(NOBODYS) is None
    with pytest.raises(RegistryUnavailable, match=r"schema_registry\.user and password") as caught:
        RegistryClient(registry.url, user="lapse", password="wrong-one").find(1)
    assert "wrong-one" not in repr(caught.value)


def test_a_schema_may_use_types_of_another_subject(registry: SchemaRegistry) -> None:
    kind = '{"type": "enum", "name": "shop.Kind", "symbols": ["STARTED", "COMPLETED"]}'
    using = {"type": "record", "name": "shop.Event", "fields": [{"name": "kind", "type": "shop.Kind"}]}
    reference = {"name": "shop.Kind", "subject": "kinds", "version": 1}
    registry.answer("POST", "/subjects/kinds/versions", {"schema": kind})
    body = {"schema": json.dumps(using), "schemaType": "AVRO", "references": [reference]}
    status, answer = registry.answer("POST", "/subjects/using/versions", body)
    assert status == 200
    found = WriterSchemas(ManualClock(), RegistryClient(registry.url)).find(registry_header(answer["id"]))
    assert set(found.named) == {"shop.Event", "shop.Kind"}


def _register(registry: SchemaRegistry, name: str, uses: Sequence[str], *, fields: bool) -> int:
    """Register a record that refers to those that it uses, in its `fields` or for nothing."""
    made = [{"name": f"f{i}", "type": used} for i, used in enumerate(uses)] if fields else []
    references = [{"name": used, "subject": used, "version": 1} for used in uses]
    schema = json.dumps({"type": "record", "name": name, "fields": made})
    body = {"schema": schema, "schemaType": "AVRO", "references": references}
    return int(registry.answer("POST", f"/subjects/{name}/versions", body)[1]["id"])


def test_each_schema_that_others_refer_to_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both records of a pair use both of the pair below it, eight pairs high."""
    parsed: list[str] = []

    def parse_and_count(text: str, named: Mapping[str, Any]) -> WriterSchema:
        parsed.append(text)
        return parse(text, named)

    monkeypatch.setattr("consumer.activity.schemas.registry.parse", parse_and_count)
    with schema_registry(SmallRegistry()) as registry:
        below: list[str] = []
        for level in range(8):
            pair = [f"shop.{side}{level}" for side in "ab"]
            ids = [_register(registry, name, below, fields=True) for name in pair]
            below = pair
        found = RegistryClient(registry.url).find(ids[0])
    assert found is not None
    assert len(parsed) == len(set(parsed)) == len(found.named) == 15


@pytest.mark.parametrize("others", [100, 101])
def test_a_schema_that_refers_to_very_many_is_refused(others: int) -> None:
    with schema_registry(SmallRegistry()) as registry:
        for number in range(others + 1):
            made = _register(registry, f"r{number}", [f"r{number - 1}"] if number else [], fields=False)
        client = RegistryClient(registry.url)
        if others <= 100:
            assert client.find(made) is not None
            return
        with pytest.raises(BadRecord, match="refers to more than 100 others") as caught:
            client.find(made)
    assert caught.value.reason == "incompatible_schema"


def test_a_schema_that_refers_to_itself_for_its_types_does_not_fit() -> None:
    """No registry lets anybody register such a thing; whoever writes its storage can."""
    references = [{"name": "S", "subject": "S", "version": 1}]
    schema = {"schema": '{"type": "array", "items": "S"}', "references": references}
    with (
        schema_registry(lambda *_: (200, {**schema, "subject": "S", "version": 1, "id": 1})) as registry,
        pytest.raises(BadRecord, match="type S, which is not defined") as caught,
    ):
        RegistryClient(registry.url).find(1)
    assert caught.value.reason == "incompatible_schema"


def test_a_schema_of_the_registry_is_no_longer_than_one_in_a_file() -> None:
    schema = {"type": "enum", "name": "Long", "symbols": ["A"], "doc": "x" * 1_000_000}
    with schema_registry(SmallRegistry()) as small:
        made = small.answer("POST", "/subjects/long/versions", {"schema": json.dumps(schema)})[1]["id"]
        with pytest.raises(BadRecord, match="longer than 1,000,000") as caught:
            RegistryClient(small.url).find(made)
    assert caught.value.reason == "incompatible_schema"


def test_a_schema_of_another_kind_does_not_fit(registry: SchemaRegistry) -> None:
    body = {"schema": 'syntax = "proto3"; message Event { string name = 1; }', "schemaType": "PROTOBUF"}
    status, answer = registry.answer("POST", "/subjects/proto/versions", body)
    assert status == 200
    with pytest.raises(BadRecord, match="PROTOBUF, not Avro") as caught:
        WriterSchemas(ManualClock(), RegistryClient(registry.url)).find(registry_header(answer["id"]))
    assert caught.value.reason == "incompatible_schema"


def test_a_refused_registration_says_what_to_compare(registry: SchemaRegistry) -> None:
    subject = f"guarded-{uuid4().hex}-value"
    RegistryClient(registry.url).register(subject, schema_text(Contact))
    assert registry.answer("PUT", f"/config/{subject}", {"compatibility": "BACKWARD"})[0] == 200
    with pytest.raises(SchemaRefused, match=subject):
        RegistryClient(registry.url).register(subject, schema_text(UserActivity))


@pytest.mark.slow
def test_processes_that_start_at_once_register_the_same_schema(registry: SchemaRegistry) -> None:
    for _ in range(5):
        subject, clients = f"raced-{uuid4().hex}-value", [RegistryClient(registry.url) for _ in range(4)]
        with ThreadPoolExecutor(len(clients)) as pool:
            ids = pool.map(lambda client, subject=subject: client.register(subject, schema_text(Contact)), clients)
        assert len(set(ids)) == 1


def test_very_many_absent_ids_are_not_asked_for() -> None:
    class EmptyRegistry:
        asked = 0

        def find(self, schema_id: int) -> None:
            self.asked += 1

    registry, clock = EmptyRegistry(), ManualClock()
    writers = WriterSchemas(clock, registry)
    for batch in (1, 2):
        for schema_id in range(5_000):
            with pytest.raises(BadRecord) as caught:
                writers.find(registry_header(schema_id))
            assert caught.value.reason == "unknown_schema"
        assert registry.asked == 100 * batch
        clock.advance(10 * SECOND)


def test_without_a_registry_its_ids_are_unknown() -> None:
    for header, hint in (
        (registry_header(7), "schema_registry.url"),
        (b"\xc3\x01" + bytes(8), "fingerprint.*a newer Lapse wrote it, upgrade"),
    ):
        with pytest.raises(BadRecord, match=hint) as caught:
            WriterSchemas(ManualClock()).find(header)
        assert caught.value.reason == "unknown_schema"


def test_a_registry_may_have_several_addresses_and_take_a_token(registry: SchemaRegistry) -> None:
    registry.login = "Bearer s3cret-token"
    client = RegistryClient("http://127.0.0.1:1", registry.url, token="s3cret-token")
    assert client.find(NOBODYS) is None
    with pytest.raises(RegistryUnavailable, match=r"answered 401: check schema_registry\.user and password") as caught:
        RegistryClient(registry.url, token="wrong-token").find(1)
    assert "wrong-token" not in repr(caught.value)


def test_a_registry_of_a_private_authority_is_trusted_by_its_file(tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path)
    with schema_registry(SmallRegistry(), context) as registry:
        with pytest.raises(RegistryUnavailable, match=r"set schema_registry\.ca_file"):
            RegistryClient(registry.url).find(1)
        assert RegistryClient(registry.url, ca_file=certificate).find(1) is None
        assert RegistryClient("https://127.0.0.1:1", registry.url, ca_file=certificate).find(1) is None
        elsewhere = registry.url.replace("127.0.0.1", "localhost")
        with pytest.raises(RegistryUnavailable, match="is for another name"):
            RegistryClient(elsewhere, ca_file=certificate).find(1)
    with pytest.raises(OSError):
        RegistryClient("https://127.0.0.1", ca_file=tmp_path / "absent.pem")
    with pytest.raises(OSError):
        RegistryClient("https://127.0.0.1", ca_file=tmp_path / "key.pem")
