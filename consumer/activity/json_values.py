"""A batch of JSON values to rows: one object each, with the field names of user_activity.avsc."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from consumer.activity.errors import BadRecord
from consumer.activity.rows import Row, Rows, closes, rows_of
from consumer.clock import Millis

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = 2**63 - 1


def read_json(values: Sequence[bytes | None]) -> Rows:
    """`occurred_at` is whole milliseconds or ISO 8601 text (UTC unless it says otherwise)."""
    return rows_of(values, range(len(values)), read_object)


def read_object(value: bytes) -> Row:
    """One activity. Raises BadRecord (unreadable, missing_field)."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        raise _unreadable("it is not JSON") from None
    if not isinstance(found, dict):
        raise _unreadable("it is not an object")
    kind = _text(found, "kind")
    return (
        _text(found, "user_id"),
        _text(found, "process"),
        closes(kind),
        None if found.get("action") is None else _text(found, "action"),
        _time(found),
    )


def _field(found: dict[str, Any], name: str) -> Any:
    if found.get(name) is None:
        raise BadRecord("missing_field", f"{name} is missing or null")
    return found[name]


def _text(found: dict[str, Any], name: str) -> str:
    value = _field(found, name)
    if not isinstance(value, str):
        raise _unreadable(f"{name} is not a string")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _unreadable(f"{name} is not valid text")  # half a surrogate pair, which UTF-8 cannot hold
    return value


def _time(found: dict[str, Any]) -> Millis:
    value = _field(found, "occurred_at")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST:
        return value
    if not isinstance(value, str):
        raise _unreadable("occurred_at is neither whole milliseconds nor ISO 8601")
    try:
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise _unreadable("occurred_at is not ISO 8601") from None


def _unreadable(what: str) -> BadRecord:
    return BadRecord("unreadable", f"{what}: compare it with the fields of user_activity.avsc")
