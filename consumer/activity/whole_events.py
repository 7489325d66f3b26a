"""Reads events whole, as nested dictionaries: to look at a topic, not for the hot path."""

import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, TypeAlias

from fastavro import schemaless_reader

from consumer.activity.errors import BadRecord
from consumer.activity.field_paths import Path
from consumer.activity.schemas.framing import header_of
from consumer.activity.schemas.writer_schemas import WriterSchemas

Event: TypeAlias = dict[str, Any]


class WholeEventReader:
    """Reads JSON objects and Avro records, told apart by their first byte. Avro's logical types are plain numbers."""

    def __init__(self, writers: WriterSchemas) -> None:
        self._writers = writers

    def __call__(self, value: bytes) -> Event:
        """Return the event. Raises BadRecord, RegistryUnavailable."""
        event = json_event(value) if is_json(value) else self._avro(value)
        if not isinstance(event, dict):
            raise BadRecord("unreadable", "it is no record: an event has fields")
        return event

    def _avro(self, value: bytes) -> Any:
        header = header_of(value)
        writer = self._writers.find(header)
        body = BytesIO(value)
        body.seek(len(header))
        try:
            return schemaless_reader(body, writer.bare, None)
        except Exception:  # noqa: BLE001 - fastavro raises many types for bad bytes, and its texts may quote data
            raise BadRecord("unreadable", "the bytes do not follow their schema: were they damaged?") from None


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


def dotted(path: Path) -> str:
    """Return a path as `source` has it; a dot within a name is written as `\\.`."""
    return ".".join(name.replace(".", "\\.") for name in path)
