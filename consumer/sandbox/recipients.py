"""Whom a request is addressed to, and how statuses name that person (docs/1msg.md#phone-numbers). Pure."""

import re
from typing import Any, Final
from zlib import crc32

from consumer.sandbox.channel_state import ChatIdentity

_DIGITS: Final = re.compile(r"[1-9][0-9]{5,14}")
_BSUID: Final = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
_GROUP: Final = re.compile(r"[0-9]{6,30}(-[0-9]{6,30})?@g\.us")


def from_phone(phone: Any) -> ChatIdentity | None:
    """Read a `phone`: 6 to 15 digits with the country code first and no `+`, or a BSUID. None if it is neither."""
    if not isinstance(phone, str):
        return None
    if _DIGITS.fullmatch(phone):
        return _person(phone, phone)
    if _BSUID.fullmatch(phone):
        return ChatIdentity(phone, None, f"{phone}@lid", phone)
    return None


def from_chat_id(chat_id: Any) -> ChatIdentity | None:
    """Read a `chatId`: `15551230000@c.us` or a group. None for any other, as for `@lid`, which fails in production."""
    if not isinstance(chat_id, str):
        return None
    digits = chat_id.removesuffix("@c.us")
    if digits != chat_id and _DIGITS.fullmatch(digits):
        return _person(chat_id, digits)
    if _GROUP.fullmatch(chat_id):
        return ChatIdentity(chat_id, None, chat_id, "")
    return None


def requested_digits(recipient: ChatIdentity) -> str:
    """Return the digits as the request had them; the last of them can fix the fate."""
    return recipient.given.partition("@")[0]


def _person(given: str, digits: str) -> ChatIdentity:
    reported = _reported(digits)
    return ChatIdentity(given, reported, f"{reported}@c.us", f"US.{crc32(reported.encode())}")


def _reported(digits: str) -> str:
    """Return the number as WhatsApp reports it: a Mexican 52XXXXXXXXXX as 521XXXXXXXXXX."""
    if len(digits) == 12 and digits.startswith("52"):
        return f"521{digits[2:]}"
    return digits
