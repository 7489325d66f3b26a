"""Reads one Avro record with fastavro: for the few that cannot be decoded together with others."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from fastavro import schemaless_reader

from consumer.activity.avro.field_decoders import unit_of
from consumer.activity.avro.schema_compiler import schemas_at
from consumer.activity.errors import BadRecord
from consumer.activity.field_paths import FieldPaths
from consumer.activity.row_reader import EventFilter, RowReader
from consumer.activity.rows import ReadOne, Row
from consumer.activity.schemas.avro_schema import WriterSchema
from consumer.activity.schemas.framing import UNREADABLE


def build_single_reader(
    writer: WriterSchema, header_size: int, fields: FieldPaths, wants: EventFilter | None
) -> ReadOne:
    """Return a reader of single values of this writer; it skips their header."""
    narrow = _projection(writer.bare, {path[0] for path in fields.paths.values()})
    rows = RowReader(fields, wants, "incompatible_schema", next(_units(writer, fields), fields.unit))

    def read(value: bytes) -> Row | None:
        return rows(_record(value, header_size, writer.bare, narrow))

    return read


def _projection(schema: Any, names: set[str]) -> Any:
    """Return a reader schema with only these fields, so that the rest is skipped."""
    if not isinstance(schema, dict):
        return None
    return {**schema, "fields": [f for f in schema["fields"] if f["name"] in names]}


def _units(writer: WriterSchema, fields: FieldPaths) -> Iterator[str | None]:
    """Yield the units that logical types give the time; of several the first counts."""
    for schema in schemas_at(writer.schema, writer.named, fields.paths["occurred_at"]):
        if (unit := unit_of(schema, None)) is not None:
            yield unit


def _record(value: bytes, header_size: int, schema: Any, narrow: Any) -> Any:
    body = BytesIO(value)
    body.seek(header_size)
    try:
        found: Any = schemaless_reader(body, schema, narrow)
    except Exception:  # noqa: BLE001 - fastavro raises many types for bad bytes, and its texts may quote data
        raise BadRecord(*UNREADABLE) from None
    if body.tell() != len(value):
        raise BadRecord(*UNREADABLE)
    return found
