"""Reads JSON whose form is not reliable: each function returns a value of its type, or None; only `decode` raises.

The texts can be stored: they contain no NUL, which PostgreSQL refuses, and no lone surrogate, which no encoding
accepts.
"""

import json
import re
from collections.abc import Mapping
from typing import TypeVar

from consumer.clock import SECOND, Millis

ID_LIMIT = 512
"""Ids have about 128 characters (docs/1msg.md#answers-to-sendtemplate, a guess); a text that is far longer is no id."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{0,9})?", re.ASCII)
_EARLIEST = 1_000_000_000 * SECOND  # September 2001, before WhatsApp: a smaller number is no timestamp
_LATEST = 10_000_000_000 * SECOND  # the year 2286: a greater number counts milliseconds
_MESSAGE_CHATS = ("c.us", "s.whatsapp.net")
_DEVICE = re.compile(r"(\.\d{1,3})?:\d{1,4}$", re.ASCII)
"""One of several devices of a person: `15551230000:12@s.whatsapp.net`."""
_HIDDEN_CHAT = re.compile(r"([\w.]{3,140})@lid", re.ASCII)
_BSUID = re.compile(r"[A-Za-z]{2}\.[A-Za-z0-9.]{3,135}")
T = TypeVar("T")


class NotJson(ValueError):
    """The bytes are not a JSON document."""


def decode(body: bytes) -> object:
    """Return the document in `body`, in any encoding that JSON may have. Raises NotJson."""
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        raise NotJson("not a JSON document") from None
    return document


def mapping(value: object) -> Mapping[str, object]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """Return a list; a list of one for a single object; an empty list for anything else."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) else []


def text(value: object, limit: int = 4096) -> str | None:
    """Return a non-empty text, made storable and cut to `limit` characters."""
    if not isinstance(value, str):
        return None
    return _UNSTORABLE.sub("\ufffd", value[:limit]).strip() or None


def identifier(value: object) -> str | None:
    """Return a message or job id: opaque and case-sensitive (docs/1msg.md#answers-to-sendtemplate row A). A number
    becomes its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**40 else None
    if not isinstance(value, str) or not value.strip() or len(value) > ID_LIMIT:
        return None
    return value if value.isprintable() else None


def integer(value: object) -> int | None:
    """Return a whole number of at most nine digits, written as a number or as text, such as an error code."""
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"\s*\d{1,9}\s*", value, re.ASCII) else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < 10**9 else None


def timestamp(value: object) -> Millis | None:
    """Return a timestamp, given in seconds or milliseconds, as a number or as text (docs/1msg.md#hookinfo)."""
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LATEST < value < _LATEST:
        return None  # NaN too: no comparison with it is true
    at = round(value * SECOND) if value < _LATEST // SECOND else round(value)
    return at if at >= _EARLIEST else None


def boolean(value: object) -> bool | None:
    """Return a boolean, given also as 0 and 1 (docs/1msg.md#message-list) or as text
    (docs/1msg.md#answers-to-sendtemplate: `"false"`)."""
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
    if isinstance(value, bool):
        return value
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def phone_digits(value: object) -> str | None:
    """Return the digits of a phone number, or of a chat id (`15551230000@c.us`); None for groups and hidden numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if 0 < value < 10**20 else None
    if not isinstance(value, str):
        return None
    number, _, chat = value.strip().partition("@")
    if chat and chat.lower() not in _MESSAGE_CHATS:
        return None
    digits = re.sub(r"[\s().\-]", "", _DEVICE.sub("", number) if chat else number)
    return digits.lstrip("+0") if re.fullmatch(r"(\+|00)?[1-9]\d{4,19}", digits, re.ASCII) else None


def whatsapp_id(value: object) -> str | None:
    """Return the id of a person whose number may be hidden: a BSUID (`ES.103…`), or the one in `…@lid`."""
    given = value.strip() if isinstance(value, str) else ""
    if hidden := _HIDDEN_CHAT.fullmatch(given):
        return hidden[1]
    return given if _BSUID.fullmatch(given) else None


def coalesce(*found: T | None) -> T | None:
    """Return the first value that is not None."""
    return next((value for value in found if value is not None), None)
