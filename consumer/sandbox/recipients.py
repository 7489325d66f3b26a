"""Whom a request is addressed to (contract §2, §11), and how statuses report that back. Pure."""

import re
from typing import Any, Final
from zlib import crc32

from consumer.sandbox.state import Recipient

_DIGITS: Final = re.compile(r"[1-9][0-9]{5,14}")
_BSUID: Final = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
_GROUP: Final = re.compile(r"[0-9]{6,30}(-[0-9]{6,30})?@g\.us")


def from_phone(phone: Any) -> Recipient | None:
    """6 to 15 digits with the country code first and no `+`, or a BSUID, which works as `phone` (contract §2)."""
    if not isinstance(phone, str):
        return None
    if _DIGITS.fullmatch(phone):
        return _person(phone, phone)
    if _BSUID.fullmatch(phone):
        return Recipient(phone, None, f"{phone}@lid", phone)
    return None


def from_chat_id(chat_id: Any) -> Recipient | None:
    """`15551230000@c.us` or a group. `@lid` fails, as it does in production (contract §12 row 12)."""
    if not isinstance(chat_id, str):
        return None
    digits = chat_id.removesuffix("@c.us")
    if digits != chat_id and _DIGITS.fullmatch(digits):
        return _person(chat_id, digits)
    if _GROUP.fullmatch(chat_id):
        return Recipient(chat_id, None, chat_id, "")
    return None


def last_digits(recipient: Recipient) -> str:
    """What chooses a fixed fate: the digits as they were asked for."""
    return recipient.given.partition("@")[0]


def _person(given: str, digits: str) -> Recipient:
    reported = _reported(digits)
    return Recipient(given, reported, f"{reported}@c.us", f"US.{crc32(reported.encode())}")


def _reported(digits: str) -> str:
    """WhatsApp reports a Mexican 52XXXXXXXXXX as 521XXXXXXXXXX (contract §11)."""
    if len(digits) == 12 and digits.startswith("52"):
        return f"521{digits[2:]}"
    return digits
