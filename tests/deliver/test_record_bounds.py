"""Texts and numbers that can be stored, and ids behind every kind of key."""

from dataclasses import replace
from typing import Any

import pytest

from consumer.activity.errors import BadRecord
from consumer.activity.schemas.framing import text_of_key
from consumer.clock import DAY, YEAR_1990
from consumer.deliver.policy.record_bounds import check_bounds
from consumer.records import Contact, Reminder, ReminderKind

NOW = 1_764_000_000_000
LONGEST = 2**63 - 1
DUE = Reminder(
    reminder_id="r",
    kind=ReminderKind.DUE,
    user_id="u",
    process="p",
    step=0,
    last_seen=NOW - 2,
    lapsed_at=NOW - 1,
    occurred_at=NOW - 1,
    detected_at=NOW,
)
WATERMARK = Reminder(kind=ReminderKind.WATERMARK, occurred_at=NOW, detected_at=NOW, watched=7, held=0)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"user_id": "u" * 256}, "user_id is longer than 255 bytes"),
        ({"user_id": "é" * 128}, "user_id is longer than 255 bytes"),
        ({"user_id": "u\0"}, "a NUL character"),
        ({"user_id": "phone:" + 64 * "a"}, "what opt-outs call a phone"),
        ({"user_id": "email:" + 64 * "0"}, "what opt-outs call a phone"),
        ({"user_id": "u\ud800"}, "half of a surrogate pair"),
        ({"name": "n" * 10_001}, "name is longer than 10,000 bytes"),
        ({"email": "\udfff"}, "half of a surrogate pair"),
        ({"phone": "1" * 1_000_000}, "phone is longer"),
    ],
)
def test_record_that_cannot_be_kept(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRecord, match=why) as refused:
        check_bounds(Contact(**{"user_id": "u", **fields}, updated_at=1), NOW)
    assert refused.value.reason == "not_storable"


@pytest.mark.parametrize(
    "fields", [{"user_id": "u" * 255}, {"user_id": "phone:34612345678"}, {"name": "Zoë \u202e\0"}, {"locale": ""}]
)
def test_record_that_can(fields: dict[str, Any]) -> None:
    check_bounds(Contact(**{"user_id": "u", **fields}, updated_at=1), NOW)


@pytest.mark.parametrize("name", ["last_seen", "lapsed_at", "occurred_at", "detected_at"])
@pytest.mark.parametrize("kind", [kind for kind in ReminderKind if kind != ReminderKind.WATERMARK])
def test_times_of_a_reminder(kind: ReminderKind, name: str) -> None:
    for time in (YEAR_1990, NOW, NOW + DAY):
        check_bounds(with_number(replace(DUE, kind=kind), name, time), NOW)
    for time in (-LONGEST - 1, -1, YEAR_1990 - 1, NOW + DAY + 1, LONGEST):
        with pytest.raises(BadRecord, match=f"{name} lies before 1990 or more than a day after now") as refused:
            check_bounds(with_number(replace(DUE, kind=kind), name, time), NOW)
        assert refused.value.reason == "not_storable"


@pytest.mark.parametrize(("record", "name"), [(DUE, "step"), (WATERMARK, "watched"), (WATERMARK, "held")])
def test_counts_of_a_reminder(record: Reminder, name: str) -> None:
    for count in (0, 1_000):
        check_bounds(with_number(record, name, count), NOW)
    for count in (-1, 2**40, LONGEST):
        with pytest.raises(BadRecord, match=f"{name} is not between 0 and 1,000"):
            check_bounds(with_number(record, name, count), NOW)


@pytest.mark.parametrize("time", [-LONGEST - 1, 0, NOW + 30 * DAY, LONGEST])
def test_watermark_and_contact_may_have_any_time(time: int) -> None:
    check_bounds(replace(WATERMARK, occurred_at=time, detected_at=time), NOW)
    check_bounds(Contact(user_id="u", opted_in_at=time, updated_at=time), NOW)


def with_number(record: Reminder, name: str, number: int) -> Reminder:
    changes: dict[str, Any] = {name: number}
    return replace(record, **changes)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (b"maria", "maria"),
        ("mária".encode(), "mária"),
        (b"\x00\x00\x00\x00\x07\x0amaria", "maria"),
        (b"\xc3\x01" + bytes(8) + b"\x0amaria", "maria"),
        (b"\x00\x00\x00\x00\x07" + b"\xac\x02" + b"m" * 150, "m" * 150),
        (b"\x00\x00\x00\x00\x07\x0amari", None),
        (b"\x00\x00\x00\x00\x07\x09maria", None),
        (b"\x00\x00\x00\x00\x07", None),
        (b"\xff\xfe", None),
        (b"", ""),
    ],
)
def test_text_of_a_key(key: bytes, text: str | None) -> None:
    assert text_of_key(key) == text
