"""Texts that can be stored, and ids behind every kind of key."""

from typing import Any

import pytest

from consumer.activity.errors import BadRecord
from consumer.activity.schemas.framing import text_of_key
from consumer.deliver.policy.record_bounds import check_bounds
from consumer.records import Contact


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"user_id": "u" * 256}, "user_id is longer than 255 bytes"),
        ({"user_id": "é" * 128}, "user_id is longer than 255 bytes"),
        ({"user_id": "u\0"}, "a NUL character"),
        ({"user_id": "u\ud800"}, "half of a surrogate pair"),
        ({"name": "n" * 10_001}, "name is longer than 10,000 bytes"),
        ({"email": "\udfff"}, "half of a surrogate pair"),
        ({"phone": "1" * 1_000_000}, "phone is longer"),
    ],
)
def test_record_that_cannot_be_kept(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRecord, match=why) as refused:
        check_bounds(Contact(**{"user_id": "u", **fields}, updated_at=1))
    assert refused.value.reason == "not_storable"


@pytest.mark.parametrize("fields", [{"user_id": "u" * 255}, {"name": "Zoë \u202e\0"}, {"locale": ""}])
def test_record_that_can(fields: dict[str, Any]) -> None:
    check_bounds(Contact(**{"user_id": "u", **fields}, updated_at=1))


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
