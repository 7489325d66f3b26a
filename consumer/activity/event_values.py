"""Finds what lies at a path in an event of nested dictionaries and lists, as JSON has them."""

import json
from typing import Any

from consumer.config.sections.event_paths import Entry, Path, Step

MAX_EXACT = 2**53
"""Doubles below it hold every whole number exactly."""


def whole_number(value: object) -> str | None:
    """Return the digits of a whole number: an integer, or a float without a fraction that holds it exactly (42.0)."""
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT:
        return str(int(value))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def value_at(event: Any, path: Path) -> Any:
    """Return what lies at the path in a decoded JSON value; None if nothing does."""
    for step in path:
        event = _within(event, step)
    return event


def _within(event: Any, step: Step) -> Any:
    if isinstance(event, str):
        event = parsed(event)
    if isinstance(step, str):
        return event.get(step) if isinstance(event, dict) else None
    if not isinstance(event, list):
        return None
    if isinstance(step, int):
        return event[step] if step < len(event) else None
    return next((each for each in event if _is_entry(each, step)), None)


def _is_entry(element: Any, entry: Entry) -> bool:
    found = element.get(entry.key) if isinstance(element, dict) else None
    return found == entry.value or whole_number(found) == entry.value


def parsed(text: str | bytes) -> Any:
    """Return the JSON in a text; None if there is none."""
    try:
        return json.loads(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):
        return None
