"""One Avro record by itself, with fastavro: for what is not worth reading side by side with others."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from fastavro import schemaless_reader

from consumer.activity.avsc import WriterSchema
from consumer.activity.columns import LEAVES, unit_of
from consumer.activity.errors import BadRecord, Problem
from consumer.activity.rows import Row, closes
from consumer.clock import Millis

UNREADABLE = Problem(
    "unreadable", "the bytes do not follow their schema: were they damaged, or written with another one?"
)
MISFIT = Problem(
    "incompatible_schema",
    "a field has another type than Lapse reads: user_id, process and action must be strings, kind an enum or a"
    " string, occurred_at a timestamp-millis or timestamp-micros",
)


def reader_of(writer: WriterSchema, header_size: int) -> Callable[[bytes], Row]:
    """Reads values of this writer, from after their header. What it makes raises BadRecord."""
    fields = [f for f in writer.bare["fields"] if f["name"] in LEAVES]
    narrow = {**writer.bare, "fields": fields}  # the rest is passed over, unread
    unit = _unit(next(f["type"] for f in writer.schema["fields"] if f["name"] == "occurred_at"))

    def read(value: bytes) -> Row:
        found = _record(value, header_size, writer.bare, narrow)
        kind = _text(found["kind"])
        return (
            _text(found["user_id"]),
            _text(found["process"]),
            None if kind is None else closes(kind),
            _text(found.get("action")),
            _time(found["occurred_at"], unit),
        )

    return read


def _record(value: bytes, header_size: int, schema: Any, narrow: Any) -> dict[str, Any]:
    body = BytesIO(value)
    body.seek(header_size)
    try:
        found: Any = schemaless_reader(body, schema, narrow)
    except Exception:  # noqa: BLE001 - whatever fastavro stumbles upon in bytes; its texts may quote them
        raise BadRecord(*UNREADABLE) from None
    if body.tell() != len(value):
        raise BadRecord(*UNREADABLE)
    return found  # type: ignore[no-any-return]


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise BadRecord(*UNREADABLE) from None
    if value is None or isinstance(value, str):
        return value
    raise BadRecord(*MISFIT)


def _time(value: object, unit: int | None) -> Millis | None:
    if value is None:
        return None
    if unit is None or not isinstance(value, int) or isinstance(value, bool):
        raise BadRecord(*MISFIT)
    return value // unit


def _unit(schema: Any) -> int | None:
    branches = schema if isinstance(schema, list) else [schema]
    return next((unit for unit in map(unit_of, branches) if unit is not None), None)
