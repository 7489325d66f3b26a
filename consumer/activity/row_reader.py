"""One event by itself, as dictionaries within each other: for what is not worth reading side by side with others."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from consumer.activity import timestamps
from consumer.activity.errors import BadRecord, ValueProblem
from consumer.activity.field_paths import FieldPaths, Path
from consumer.activity.rows import Row, ending_of
from consumer.clock import Millis

NUMBERED = ("user_id", "process", "event")
"""What may be a whole number; it is read as its digits."""

_NAME = "text or a whole number"
EXPECTED: Mapping[str, str] = {
    **dict.fromkeys(NUMBERED, _NAME),
    "kind": "an enum or text",
    "action": "text",
    "occurred_at": "a timestamp, a number or ISO 8601 text",
}
"""What each field may be."""

UNTIMELY = ValueProblem(
    "unreadable", "its time cannot be read: let it be a number, or ISO 8601 text such as 2026-09-21T14:13:20Z"
)

Wants: TypeAlias = Callable[[str | None, str | None], bool]
"""Whether an event that names this process, and is of this name, concerns any process."""


class RowReader:
    """Finds the fields of an event.

    `misfit` is the reason given for a field of another type than is read; `unit` that of its time where it is a number.
    """

    def __init__(self, fields: FieldPaths, wants: Wants | None, misfit: str, unit: str | None) -> None:
        self._paths = fields.paths
        self._columns = [name for name in fields.columns if name != "index"]
        self._wants = wants
        self._misfit = misfit
        self._unit = unit

    def __call__(self, event: Any) -> Row | None:
        """The row of an event, or None where no process wants it, whatever else it has. Raises BadRecord."""
        if self._wants is not None and not self._wants(self._name(event, "process"), self._name(event, "event")):
            return None
        return tuple(self._column(event, name) for name in self._columns)

    def _name(self, event: Any, name: str) -> str | None:
        """Something of another type is no name."""
        found = _found(event, self._paths.get(name))
        try:
            return self._text(name, found)
        except BadRecord:
            return None

    def _column(self, event: Any, name: str) -> object:
        if name == "ending":
            kind = self._text("kind", _found(event, self._paths["kind"]))
            return None if kind is None else ending_of(kind)
        found = _found(event, self._paths.get(name))
        return self._time(found) if name == "occurred_at" else self._text(name, found)

    def _text(self, name: str, value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and name in NUMBERED:
            return str(value)
        if value is not None and not isinstance(value, bytes | str):
            raise self._unfit(name)
        try:
            return value.decode() if isinstance(value, bytes) else _whole(value)
        except UnicodeError:
            raise BadRecord("unreadable", f"{name} is not valid text: was it damaged?") from None

    def _time(self, value: object) -> Millis | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self._unfit("occurred_at")
        moment = timestamps.from_one(value, self._unit)
        if moment is None:
            raise BadRecord(*UNTIMELY)
        return moment

    def _unfit(self, name: str) -> BadRecord:
        return BadRecord(self._misfit, f"{name} is of a type that cannot be meant: it must be {EXPECTED[name]}")


def _found(event: Any, path: Path | None) -> Any:
    """What lies there; None where nothing does."""
    if path is None:
        return None
    for name in path:
        event = event.get(name) if isinstance(event, dict) else None
    return event


def _whole(text: str | None) -> str | None:
    """The same text. Raises UnicodeError for half a surrogate pair, which JSON can write and UTF-8 cannot hold."""
    if text is not None and not text.isascii():
        text.encode()
    return text
