"""Texts and numbers that no database or protocol likes, through every door: one such record never stops the others."""

import io
import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from consumer.activity.errors import BadRecord
from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import DAY, SECOND
from consumer.commands.contacts.csv_file import read_rows
from consumer.commands.contacts.known_contacts import ContactChange, merged
from consumer.commands.contacts.validation import COLUMNS, KEY, ImportRules, SeenUsers, check_contacts
from consumer.deliver.policy.record_bounds import check_bounds
from consumer.records import Contact, DeliveryStatus, Reminder, ReminderKind

from .deliver_diary import Diary
from .detect_diary import moment

STRANGE = {
    "NUL": "a\0b",
    "half a surrogate pair": "a\ud800b",
    "right to left": "\u202e\u200fabc\u2067\u202c",
    "a megabyte": "x" * 1_000_000,
    "a megabyte of four-byte characters": "🛒" * 250_000,
    "control characters": "\x01\x1b[31m\x7f\x9f\u2028",
    "a non-character": "\ufffe\uffff",
}
R = TypeVar("R", bound=Contact | Reminder)
TEXTS = pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE.keys())


def with_text(record: R, field: str, text: str) -> R:
    changes: dict[str, Any] = {field: text}
    return replace(record, **changes)


def storable(record: Contact | Reminder) -> bool:
    """Return whether a consumer would hand the record on; else it becomes a dead letter."""
    try:
        check_bounds(record, moment("Mon 09:00"))
    except BadRecord as problem:
        return problem.reason != "not_storable"
    return True


def knows(deliver: Diary, *contacts: Contact) -> None:
    """The contacts come in one batch."""
    kept = [deliver.received("contacts", contact) for contact in contacts if storable(contact)]
    deliver.parts.intake.take_contacts(kept)


def person(user: str, number: int, **more: Any) -> Contact:
    who = {"user_id": user, "name": user.title(), "phone": f"+34 612 345 60{number}", "opt_in": True}
    return Contact(**{**who, "updated_at": moment("Mon 08:00"), **more})


def others_go_out(deliver: Diary) -> None:
    """The neighbours get their messages."""
    deliver.due("ana").due("cleo").works()
    assert {"Ana", "Cleo"} <= {message.params[0] for message in deliver.onemsg.sent}


@TEXTS
def test_contacts_with_a_strange_text_in_each_field(deliver: Diary, text: str) -> None:
    texts = ("user_id", "name", "phone", "locale", "timezone", "email")
    broken = [with_text(person(f"broken{n}", 3 + n), field, text) for n, field in enumerate(texts)]
    knows(deliver, person("ana", 1), *broken, person("cleo", 2))
    for number in range(len(texts)):
        deliver.due(f"broken{number}").works_in_silence()
    others_go_out(deliver)
    for message in deliver.onemsg.sent:
        assert not any(c in "\0\u202e" or "\ud800" <= c <= "\udfff" for each in message.params for c in each)
        assert all(len(each) < 1_024 for each in message.params)


@TEXTS
def test_reminders_with_a_strange_text_in_each_field(deliver: Diary, text: str) -> None:
    knows(deliver, person("ana", 1), person("broken", 3), person("cleo", 2))
    for field in ("user_id", "process", "action", "reminder_id"):
        reminder = with_text(deliver.reminder(ReminderKind.DUE, "broken"), field, text)
        if storable(reminder):
            deliver.takes(reminder).works_in_silence()
    others_go_out(deliver)


def test_reminders_with_a_strange_number_in_each_field(deliver: Diary) -> None:
    """What is refused stops nobody, and neither does what is just not refused: all that is published can be read."""
    knows(deliver, person("ana", 1), person("broken", 3), person("cleo", 2))
    numbers = (-(2**63), -1, 2**31 - 1, 2**40, deliver.clock.now() + DAY, deliver.clock.now() + DAY + 1, 2**63 - 1)
    refused = 0
    for user in ("broken", "without a contact"):
        for kind in (ReminderKind.DUE, ReminderKind.RETURNED, ReminderKind.COMPLETED):
            for field in ("step", "last_seen", "lapsed_at", "occurred_at"):
                for number in numbers:
                    changes: dict[str, Any] = {field: number, "reminder_id": f"{user}/{kind}/{field}/{number}"}
                    reminder = replace(deliver.reminder(kind, user), **changes)
                    if storable(reminder):
                        deliver.takes(reminder)
                    refused += not storable(reminder)
    assert refused == 2 * 3 * (3 * 5 + 7)  # 2^40 and a day after now are times, and no steps
    deliver.works_in_silence()
    others_go_out(deliver)
    codec = RecordCodec(WriterSchemas(deliver.clock))
    for status in deliver.topic:
        assert codec.decode(DeliveryStatus, codec.encode(status, "delivery-status")) == status
        datetime.fromtimestamp(status.occurred_at / SECOND, UTC)


@TEXTS
def test_deletion_with_a_strange_key(deliver: Diary, text: str) -> None:
    knows(deliver, person("ana", 1), person("cleo", 3))
    key = text.encode("utf-8", "surrogatepass")
    deliver.parts.intake.take_contacts([deliver.received("contacts", None, key=key)])
    others_go_out(deliver)


@pytest.mark.parametrize("key", [b"ana", b"\x00\x00\x00\x00\x07\x06ana", b"\xc3\x01" + bytes(8) + b"\x06ana"])
def test_deletion_with_an_avro_encoded_key_deletes(deliver: Diary, key: bytes) -> None:
    knows(deliver, person("ana", 1))
    deliver.parts.intake.take_contacts([deliver.received("contacts", None, key=key)])
    deliver.due("ana").works().says("ana deferred no_contact")


def stops(deliver: Diary, broken: dict[str, Any], *, raw: bool) -> None:
    """One body has the broken item first, then a STOP of ana's."""
    now = deliver.clock.now() // SECOND
    if raw:
        stop: dict[str, Any] = {"id": "wamid.in", "from": "34612345601", "type": "text", "text": {"body": "STOP"}}
        status = {"id": "wamid.other", "status": "failed", "errors": [{"code": 131026, "title": "x"}]}
        value = {"messages": [{**stop, **broken}, {**stop, "timestamp": now}], "statuses": [{**status, **broken}]}
        body: dict[str, Any] = {"entry": [{"changes": [{"value": value}]}]}
    else:
        stop = {"id": "wamid.in", "type": "chat", "body": "STOP", "fromMe": False, "chatId": "34612345601@c.us"}
        body = {"messages": [{**stop, **broken}, {**stop, "time": now}], "ack": [{"id": "wamid.other", **broken}]}
    deliver.posts(json.dumps(body).encode())


@TEXTS
@pytest.mark.parametrize("raw", [False, True], ids=["normalised", "raw"])
def test_webhook_with_strange_texts_in_every_field(deliver: Diary, text: str, raw: bool) -> None:
    knows(deliver, person("ana", 1), person("cleo", 3))
    for field in ("id", "type", "from", "author", "chatId", "phone", "bsuid", "status", "error", "from_user_id"):
        stops(deliver, {field: text}, raw=raw)
    for field in ("body", "caption", "quotedMsgId", "authorBsuid", "time", "timestamp"):
        stops(deliver, {"id": "wamid.other", field: text}, raw=raw)
    deliver.due("ana").due("cleo").works()
    assert {f"{each.user_id} {each.status}" for each in deliver.topic} == {"ana suppressed", "cleo accepted"}
    assert deliver.kept_bodies() == []


@TEXTS
@pytest.mark.parametrize("field", COLUMNS)
def test_file_with_a_strange_cell(field: str, text: str) -> None:
    """A row is refused with its line, or what it becomes can be kept; the next row is read."""
    good = {"user_id": "cleo", "name": "Cleo", "phone": "+34612345603"}
    quoted = text.replace('"', '""').encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")[:900_000]
    cells = {**good, "user_id": "broken", field: quoted}
    lines = [",".join(COLUMNS), ",".join(f'"{cells.get(each, "")}"' for each in COLUMNS)]
    lines.append(",".join(good.get(each, "") for each in COLUMNS))
    rules = ImportRules(region=None, zones=frozenset(), now=moment("Mon 09:00"))
    rows = read_rows(io.StringIO("\n".join(lines) + "\n", newline=""), COLUMNS, KEY)
    broken, cleo = check_contacts(rows, rules, SeenUsers())
    assert isinstance(cleo, ContactChange)
    if isinstance(broken, ContactChange):
        check_bounds(merged(None, broken), rules.now)


def test_every_text_of_a_record_has_its_bound() -> None:
    now = moment("Mon 09:00")
    for record in (person("u", 1), Reminder(kind=ReminderKind.DUE, occurred_at=now, detected_at=now)):
        texts = [each.name for each in fields(record) if "str" in str(each.type) and each.name != "kind"]
        assert texts
        for name in texts:
            with pytest.raises(BadRecord):
                check_bounds(with_text(record, name, "x" * 1_000_000), now)
