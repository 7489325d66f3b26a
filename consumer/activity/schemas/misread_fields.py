"""Finds fields of another writer's record that Avro's schema resolution would take for something else.

It reads bytes as text, so that the number 49 of a decimal is the id "1" of somebody else, and days or nanoseconds as
the milliseconds that our schema has there.
"""

from collections.abc import Iterator
from typing import Any

from consumer.activity.schemas.avro_schema import WriterSchema

_MILLIS = "timestamp-millis"
_CONVERTED = (None, _MILLIS, "timestamp-micros")
"""Logical types of numbers that are read as milliseconds, and converted where they are none."""


def misread_field(ours: WriterSchema, theirs: WriterSchema) -> str | None:
    """Return the first field of a record of theirs that would be misread as ours, and what it is; None if none is."""
    expected = {field["name"]: _is_time(field["type"], ours) for field in ours.schema["fields"]}
    for record in _types(theirs.schema, theirs):
        for field in record.get("fields", []):
            for kind in _types(field["type"], theirs) if field["name"] in expected else ():
                if what := _misread(kind, is_time=expected[field["name"]]):
                    return f"{field['name']} is {what}"
    return None


def _misread(kind: dict[str, Any], *, is_time: bool) -> str | None:
    if kind["type"] == "bytes":
        return "of type bytes"
    logical = kind.get("logicalType") or kind.get("connect.name")
    wrong = is_time and kind["type"] in ("int", "long") and logical not in _CONVERTED
    return f"a {logical}" if wrong else None


def _is_time(schema: Any, ours: WriterSchema) -> bool:
    return any(kind.get("logicalType") == _MILLIS for kind in _types(schema, ours))


def _types(schema: Any, writer: WriterSchema) -> Iterator[dict[str, Any]]:
    """Yield the types of a union, or the type that this is, each as it is defined."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _types(branch, writer)
    else:
        full = writer.named.get(schema, schema) if isinstance(schema, str) else schema
        yield full if isinstance(full, dict) else {"type": full}
