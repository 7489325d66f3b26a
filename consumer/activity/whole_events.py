"""Reads events whole, as nested dictionaries: to look at a topic, not for the hot path."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from consumer.activity.avro.whole_value import read_whole, record_name_of
from consumer.activity.errors import BadRecord
from consumer.activity.schemas.framing import header_of, text_of_key, without_registry_frame
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.config.sections.event_paths import HEADER, KEY, RECORD, TIMESTAMP, Path

Event: TypeAlias = dict[str, Any]


class WholeEventReader:
    """Reads JSON objects and Avro records, told apart by their first byte, and of JSON behind a registry's frame by the
    first behind it. Avro's logical types are plain numbers."""

    def __init__(self, writers: WriterSchemas, event_name: Callable[[str], str] = str) -> None:
        """`event_name` returns what the full name of a record's schema is as a field."""
        self._writers = writers
        self._event_name = event_name

    def __call__(self, value: bytes) -> Event:
        """Return the event. Raises BadRecord, RegistryUnavailable."""
        inside = without_registry_frame(value) or value
        event = json_event(inside) if is_json(inside) else self._avro(value)
        if not isinstance(event, dict):
            raise BadRecord("unreadable", "it is no record: an event has fields")
        return event

    def around(self, message: Any) -> Event:
        """Return what a record holds besides its value, by the names that paths have for it: its key, its headers, its
        timestamp, and the name of its schema."""
        key, headers, value = message.key(), message.headers() or [], message.value() or b""
        return {
            KEY: None if not key else json_event(key) if is_json(key) else self._key(key),
            HEADER: {name: text.decode(errors="replace") for name, text in headers if text is not None},
            TIMESTAMP: message.timestamp()[1],
            RECORD: None if is_json(without_registry_frame(value) or value) else self._record_name(value),
        }

    def _key(self, key: bytes) -> Any:
        try:
            return self._avro(key)
        except BadRecord:
            return text_of_key(key)

    def _record_name(self, value: bytes) -> str | None:
        header = header_of(value)
        name = record_name_of(self._writers.find(header), value, len(header))
        return self._event_name(name) if name else None

    def _avro(self, value: bytes) -> Any:
        header = header_of(value)
        return read_whole(self._writers.find(header), value, len(header))


def is_json(value: bytes) -> bool:
    """Return whether the value begins as a JSON object does; no framed Avro value does."""
    return value.lstrip()[:1] == b"{"


def json_event(value: bytes) -> Any:
    """Return the JSON value. Raises BadRecord."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise BadRecord("unreadable", "it is not JSON") from None


def leaves(event: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value inside nested objects that is neither an object nor a list, with its path."""
    for name, value in event.items():
        if isinstance(value, dict):
            yield from leaves(value, (*above, name))
        elif not isinstance(value, list):
            yield (*above, name), value
