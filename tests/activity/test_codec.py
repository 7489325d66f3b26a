"""Our records to bytes and back, and what others wrote."""

import json
from contextlib import suppress
from dataclasses import fields
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from consumer.activity.record_codec import BadRecord, RecordCodec, RegistryUnavailable
from consumer.activity.schemas.avro_schema import own, parse, schema_folder, schema_text
from consumer.activity.schemas.framing import registry_header
from consumer.activity.schemas.registry import RegistryClient
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import ManualClock
from consumer.records import ActivityKind, Contact, DeliveryStatus, OptOut, Record, Reminder, ReminderKind, UserActivity

from .registry import SchemaRegistry
from .writing import FIELDS, KIND, MICROS, NOON, body, event, framed, record

ONE_OF_EACH: list[Record] = [
    UserActivity(
        event_id="e1", user_id="ann", process="checkout", kind=ActivityKind.COMPLETED, action="zahlen", occurred_at=NOON
    ),
    Contact(user_id="ann", name="Ann Ångström", phone="+34 600 000 000", opt_in=True, updated_at=NOON),
    Reminder(
        reminder_id="r1",
        kind=ReminderKind.DUE,
        user_id="ann",
        process="checkout",
        step=0,
        action="your order",
        last_seen=NOON - 5,
        lapsed_at=NOON,
        occurred_at=NOON,
        detected_at=NOON + 1,
    ),
    Reminder(kind=ReminderKind.WATERMARK, occurred_at=NOON, detected_at=NOON + 1),
    Reminder(
        kind=ReminderKind.WATERMARK,
        occurred_at=NOON,
        detected_at=NOON + 1,
        watched=12,
        held=3,
        brake="below_mean",
        distrusted=False,
    ),
    DeliveryStatus(
        event_id="e1",
        reminder_id="r1",
        sequence=2,
        user_id="ann",
        process="checkout",
        step=1,
        medium="whatsapp",
        status="failed",
        final=True,
        reason="unreachable",
        error_code=131026,
        source="webhook",
        occurred_at=NOON,
        recorded_at=NOON + 1,
    ),
    OptOut(user_id="ann", medium="whatsapp", reason="stop_word", occurred_at=NOON),
    OptOut(medium="email", reason="by_operator", occurred_at=NOON, email_hash=64 * "0"),
]


def codec_with(registry: SchemaRegistry) -> RecordCodec:
    client = RegistryClient(registry.url)
    return RecordCodec(WriterSchemas(ManualClock(), client), client)


@pytest.fixture(scope="module")
def codec() -> RecordCodec:
    return RecordCodec(WriterSchemas(ManualClock()))


def test_records_come_back_as_they_went(codec: RecordCodec) -> None:
    for sent in ONE_OF_EACH:
        value = codec.encode(sent, "topic")
        assert value[:2] == b"\xc3\x01"
        assert codec.decode(type(sent), value) == sent


def test_with_a_registry_values_carry_the_id_of_their_topics_subject(registry: SchemaRegistry) -> None:
    codec = codec_with(registry)
    for sent in ONE_OF_EACH:
        value = codec.encode(sent, type(sent).__name__)
        assert value[:1] == b"\x00"
        assert codec_with(registry).decode(type(sent), value) == sent
    registered = {r for r in registry.requests if r.startswith("POST")}
    assert registered == {f"POST /subjects/{type(sent).__name__}-value/versions" for sent in ONE_OF_EACH}


def test_the_registry_is_never_asked_what_our_own_schemas_are(registry: SchemaRegistry) -> None:
    """It could answer with one that reads a refusal as a consent."""
    codec = codec_with(registry)
    refusal = Contact(user_id="ana", phone="+34600000001", opt_in=False, updated_at=1)
    value = codec.encode(refusal, "contacts")
    registry.requests.clear()
    assert codec.decode(Contact, value) == refusal
    assert registry.requests == []


def test_a_subject_is_registered_once(registry: SchemaRegistry) -> None:
    codec = codec_with(registry)
    header = codec.register("contacts", Contact)
    registry.down = True
    assert codec.encode(ONE_OF_EACH[1], "contacts")[:5] == header
    with pytest.raises(RegistryUnavailable):
        codec.encode(ONE_OF_EACH[1], "another-topic")


def test_either_framing_is_read_whatever_is_written(registry: SchemaRegistry, codec: RecordCodec) -> None:
    with_registry = codec_with(registry)
    for sent in ONE_OF_EACH:
        assert with_registry.decode(type(sent), codec.encode(sent, "topic")) == sent


texts = st.none() | st.text()
times = st.integers(min_value=-(2**63), max_value=2**63 - 1)
contacts = st.builds(
    Contact, user_id=st.text(), name=texts, phone=texts, locale=texts, timezone=texts, email=texts,
    opt_in=st.booleans(), updated_at=times,
)  # fmt: skip


@given(contacts)
def test_any_contact_comes_back_as_it_went(sent: Contact) -> None:
    codec = RecordCodec(WriterSchemas(ManualClock()))
    assert codec.decode(Contact, codec.encode(sent, "contacts")) == sent


def test_a_contact_of_another_writer_with_more_and_fewer_fields_in_another_order() -> None:
    crm = record({"updated_at": MICROS, "phone": "string", "score": "double", "user_id": "string"}, name="crm.Customer")
    value = framed(crm, {"updated_at": NOON * 1000 + 999, "phone": "600", "score": 0.5, "user_id": "ann"})
    codec = RecordCodec(WriterSchemas(ManualClock(), others=[crm]))
    assert codec.decode(Contact, value) == Contact(user_id="ann", phone="600", updated_at=NOON)


@pytest.mark.parametrize(
    ("changed", "given", "what"),
    [
        ({"user_id": {"type": "bytes", "logicalType": "decimal", "precision": 9}}, b"1", "user_id is of type bytes"),
        ({"user_id": "bytes"}, b"1", "user_id is of type bytes"),
        ({"phone": ["null", "string", "bytes"]}, b"1", "phone is of type bytes"),
        ({"updated_at": {"type": "int", "logicalType": "date"}}, 20_000, "updated_at is a date"),
        ({"updated_at": {"type": "long", "logicalType": "timestamp-nanos"}}, NOON, "updated_at is a timestamp-nanos"),
        (
            {"updated_at": ["null", {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}]},
            NOON,
            "updated_at is a io.debezium.time.MicroTimestamp",
        ),
        (
            {"updated_at": {"type": "long", "logicalType": "local-timestamp-millis"}},
            NOON,
            "updated_at is a local-timestamp-millis",
        ),
    ],
)
def test_a_contact_is_refused_whose_values_would_be_taken_for_others(
    changed: dict[str, Any], given: Any, what: str
) -> None:
    """The one byte of the number 49 is the text 1: customer 1 would have the phone of customer 49."""
    crm = record({"user_id": "string", "phone": "string", "updated_at": "long", **changed}, name="crm.Customer")
    value = framed(crm, {"user_id": "ann", "phone": "600", "updated_at": NOON, **dict.fromkeys(changed, given)})
    codec = RecordCodec(WriterSchemas(ManualClock(), others=[crm]))
    with pytest.raises(BadRecord, match=f"its schema cannot be used: {what}. Compare it with Contact") as caught:
        codec.decode(Contact, value)
    assert caught.value.reason == "incompatible_schema"


def test_a_kind_that_is_not_known_is_read_as_the_default() -> None:
    newer = record({**FIELDS, "kind": {**KIND, "name": "ActivityKind", "symbols": ["ARCHIVED"]}})
    codec = RecordCodec(WriterSchemas(ManualClock(), others=[newer]))
    assert codec.decode(UserActivity, framed(newer, event(kind="ARCHIVED"))).kind is ActivityKind.PROGRESSED


def test_a_reminder_of_a_later_version_neither_sends_nor_cancels() -> None:
    text = schema_text(Reminder).replace('"REBUILT"]', '"REBUILT", "SNOOZED"]')
    newer = record({f["name"]: f["type"] for f in json.loads(text)["fields"]})
    datum = {f.name: None for f in fields(Reminder)} | {"kind": "SNOOZED", "occurred_at": 1, "detected_at": 2}
    codec = RecordCodec(WriterSchemas(ManualClock(), others=[newer]))
    assert codec.decode(Reminder, framed(newer, datum)) == Reminder(
        kind=ReminderKind.WATERMARK, occurred_at=1, detected_at=2
    )


def test_a_schema_without_what_we_need_does_not_fit() -> None:
    nameless = record({"name": "string", "updated_at": "long"})
    codec = RecordCodec(WriterSchemas(ManualClock(), others=[nameless]))
    with pytest.raises(BadRecord, match="Contact") as caught:
        codec.decode(Contact, framed(nameless, {"name": "Ann", "updated_at": 1}))
    assert caught.value.reason == "incompatible_schema"


def test_damaged_values_are_named_and_never_quoted(codec: RecordCodec) -> None:
    value = codec.encode(Contact(user_id="ann", name="SECRET", updated_at=NOON), "contacts")
    damaged = {
        value[:-3]: "unreadable",
        value + b"SECRET": "unreadable",
        value[:10] + b"\xff" * 30: "unreadable",
        value[:10] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7fSECRET": "unreadable",
        value.replace(b"SECRET", b"SECR\xff\xff"): "unreadable",
        b"SECRET": "unframed",
        b"": "unframed",
        registry_header(3) + b"SECRET": "unknown_schema",
    }
    for bad, reason in damaged.items():
        with pytest.raises(BadRecord) as caught:
            codec.decode(Contact, bad)
        assert caught.value.reason == reason
        assert "SECR" not in caught.value.error
        assert caught.value.__cause__ is None


@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_a_bad_record(garbage: bytes) -> None:
    codec = RecordCodec(WriterSchemas(ManualClock()))
    good = codec.encode(ONE_OF_EACH[1], "contacts")
    with suppress(BadRecord):
        assert isinstance(codec.decode(Contact, good[:10] + garbage), Contact)


def test_a_record_is_written_with_the_schema_of_its_file(codec: RecordCodec) -> None:
    sent = ONE_OF_EACH[-1]
    assert codec.encode(sent, "opt-outs")[10:] == body(
        own(OptOut), {f.name: getattr(sent, f.name) for f in fields(sent)}
    )


def test_what_an_earlier_version_wrote_is_read_without_a_registry() -> None:
    """Reminders may lie unread on their topic while Lapse is upgraded."""
    earlier = parse((schema_folder() / "earlier" / "reminder_1.avsc").read_text())
    written = {"kind": "DUE", "user_id": "ann", "process": "checkout", "step": 0, "action": None, "reminder_id": "r1"}
    times = {"last_seen": NOON - 5, "lapsed_at": NOON, "occurred_at": NOON, "detected_at": NOON + 1}
    value = framed(earlier, {**written, **times})
    found = RecordCodec(WriterSchemas(ManualClock())).decode(Reminder, value)
    expected = {**written, **times, "kind": ReminderKind.DUE}
    assert found == Reminder(**expected)  # type: ignore[arg-type]
    assert (found.watched, found.brake) == (None, None)


def test_opt_out_of_an_earlier_version_is_read_without_a_registry() -> None:
    earlier = parse((schema_folder() / "earlier" / "opt_out_1.avsc").read_text())
    written = {"user_id": "", "medium": "whatsapp", "reason": "asked_to_stop", "occurred_at": NOON, "phone_hash": "ab"}
    value = framed(earlier, {**written, "source": "webhook"})
    found = RecordCodec(WriterSchemas(ManualClock())).decode(OptOut, value)
    assert (found.subject, found.email_hash, found.occurred_at) == ("phone:ab", None, NOON)
