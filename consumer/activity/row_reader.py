"""Reads the fields of one event given as nested dictionaries: for events that cannot be read together with others."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from consumer.activity import timestamps
from consumer.activity.errors import BadRecord, ValueProblem
from consumer.activity.field_paths import FieldPaths, value_at
from consumer.activity.rows import Row, ending_of
from consumer.clock import Millis

INTEGER_ALLOWED = ("user_id", "process", "event")
"""Fields that may be whole numbers; they are read as their digits."""

_NAME = "text or a whole number"
EXPECTED: Mapping[str, str] = {
    **dict.fromkeys(INTEGER_ALLOWED, _NAME),
    "kind": "an enum or text",
    "action": "text",
    "occurred_at": "a timestamp, a number or ISO 8601 text",
}
"""What each field may be, for error texts."""

UNREADABLE_TIME = ValueProblem(
    "unreadable", "its time cannot be read: let it be a number, or ISO 8601 text such as 2026-09-21T14:13:20Z"
)

EventFilter: TypeAlias = Callable[[str | None, str | None], bool]
"""Takes an event's process and name; returns whether the event concerns any process."""


class RowReader:
    """Finds the fields of an event.

    `type_error_reason` is the reason given for a field of a type that is not read; `unit` is the unit of times that
    are numbers.
    """

    def __init__(self, fields: FieldPaths, wants: EventFilter | None, type_error_reason: str, unit: str | None) -> None:
        self._paths = fields.paths
        self._columns = [name for name in fields.columns if name != "index"]
        self._is_wanted = wants
        self._type_error_reason = type_error_reason
        self._unit = unit

    def __call__(self, event: Any) -> Row | None:
        """Return the row of an event, or None if it concerns no process, whatever else is wrong with it.

        Raises BadRecord.
        """
        if self._is_wanted is not None and not self._is_wanted(
            self._name(event, "process"), self._name(event, "event")
        ):
            return None
        return tuple(self._column(event, name) for name in self._columns)

    def _name(self, event: Any, name: str) -> str | None:
        """Return a name, or None for a value of another type."""
        found = value_at(event, self._paths.get(name))
        try:
            return self._text(name, found)
        except BadRecord:
            return None

    def _column(self, event: Any, name: str) -> object:
        if name == "ending":
            kind = self._text("kind", value_at(event, self._paths["kind"]))
            return None if kind is None else ending_of(kind)
        found = value_at(event, self._paths.get(name))
        return self._time(found) if name == "occurred_at" else self._text(name, found)

    def _text(self, name: str, value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and name in INTEGER_ALLOWED:
            return str(value)
        if value is not None and not isinstance(value, bytes | str):
            raise self._wrong_type(name)
        try:
            return value.decode() if isinstance(value, bytes) else _valid_text(value)
        except UnicodeError:
            raise BadRecord("unreadable", f"{name} is not valid text: was it damaged?") from None

    def _time(self, value: object) -> Millis | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self._wrong_type("occurred_at")
        moment = timestamps.from_one(value, self._unit)
        if moment is None:
            raise BadRecord(*UNREADABLE_TIME)
        return moment

    def _wrong_type(self, name: str) -> BadRecord:
        return BadRecord(
            self._type_error_reason, f"{name} is of a type that cannot be meant: it must be {EXPECTED[name]}"
        )


def _valid_text(text: str | None) -> str | None:
    """Return the text. Raises UnicodeError for half a surrogate pair, which JSON can write and UTF-8 cannot hold."""
    if text is not None and not text.isascii():
        text.encode()
    return text
