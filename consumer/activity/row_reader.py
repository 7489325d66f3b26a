"""Reads the fields of one event: for events that cannot be read together with others."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from consumer.activity.errors import BadRecord
from consumer.activity.event_values import whole_number
from consumer.activity.field_paths import INTEGER_ALLOWED, FieldPaths
from consumer.activity.rows import Row, ending_of
from consumer.activity.times import timestamps
from consumer.clock import Millis

_NAME = "text or a whole number"
EXPECTED: Mapping[str, str] = {
    **dict.fromkeys(INTEGER_ALLOWED, _NAME),
    "user_id": "text, a whole number, a uuid or a decimal of scale 0",
    "kind": "an enum or text",
    "action": "text",
    "occurred_at": "a timestamp, a number or ISO 8601 text",
}
"""What each field may be, for error texts."""

EventFilter: TypeAlias = Callable[[str | None, str | None], bool]
"""Takes an event's process and name; returns whether the event concerns any process."""

FieldReader: TypeAlias = Callable[[str], Any]
"""Takes a field's name; returns its text, of `occurred_at` its milliseconds, or None. Raises BadRecord."""


class RowReader:
    """Makes the row of an event."""

    def __init__(self, fields: FieldPaths, wants: EventFilter | None) -> None:
        self._columns = [name for name in fields.columns if name != "index"]
        self._known = {*fields.paths, *fields.from_record_name}
        self._is_wanted = wants

    def __call__(self, read: FieldReader, elsewhere: Mapping[str, Any]) -> Row | None:
        """Return the row of an event, or None if it concerns no process, whatever else is wrong with it.

        `elsewhere` are fields that are not in its value. Raises BadRecord.
        """
        if self._is_wanted is not None and not self._is_wanted(
            self._name("process", read, elsewhere), self._name("event", read, elsewhere)
        ):
            return None
        return tuple(self._column(name, read) for name in self._columns)

    def _name(self, name: str, read: FieldReader, elsewhere: Mapping[str, Any]) -> str | None:
        """Return a name, or None for a value of another type."""
        if name in elsewhere:
            return elsewhere[name]  # type: ignore[no-any-return]
        try:
            return read(name) if name in self._known else None
        except BadRecord:
            return None

    def _column(self, name: str, read: FieldReader) -> object:
        if name == "ending":
            kind = read("kind")
            return None if kind is None else ending_of(kind)
        return read(name) if name in self._known else None


class PlainValues:
    """Turns values as JSON has them, or texts in UTF-8, into the fields of an activity.

    `type_error_reason` is given for other types.
    """

    def __init__(self, fields: FieldPaths, type_error_reason: str) -> None:
        self._fields = fields
        self._type_error_reason = type_error_reason

    def field(self, name: str, value: object) -> str | Millis | None:
        """Return a field's text or milliseconds. Raises BadRecord."""
        if name != "occurred_at":
            return self._text(name, value)
        return self._time(self._text(name, value) if isinstance(value, bytes) else value)

    def _text(self, name: str, value: object) -> str | None:
        if name in INTEGER_ALLOWED and (number := whole_number(value)) is not None:
            return number
        if value is not None and not isinstance(value, bytes | str):
            raise self.wrong_type(name)
        try:
            return value.decode() if isinstance(value, bytes) else _valid_text(value)
        except UnicodeError:
            raise BadRecord("unreadable", f"{self._fields.label(name)} is not valid text: was it damaged?") from None

    def _time(self, value: object) -> Millis | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self.wrong_type("occurred_at")
        moment = timestamps.from_one(value, self._fields.times)
        if moment is None:
            raise self.no_time()
        return moment

    def no_time(self) -> BadRecord:
        """Return the problem of a time that cannot be read."""
        return BadRecord(
            "unreadable",
            f"{self._fields.label('occurred_at')} is no certain time: let it be a number, or ISO 8601 text with date,"
            " time and offset, such as 2026-09-21T14:13:20Z",
        )

    def wrong_type(self, name: str, what: str = "of a type that cannot be meant") -> BadRecord:
        """Return the problem of a field that is `what`."""
        return BadRecord(self._type_error_reason, f"{self._fields.label(name)} is {what}: it must be {EXPECTED[name]}")


def _valid_text(text: str | None) -> str | None:
    """Return the text. Raises UnicodeError for half a surrogate pair, which JSON can write and UTF-8 cannot hold."""
    if text is not None and not text.isascii():
        text.encode()
    return text
