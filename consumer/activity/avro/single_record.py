"""One Avro record by itself, with fastavro: for what is not worth reading side by side with others."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from fastavro import schemaless_reader

from consumer.activity.avro.field_decoders import unit_of
from consumer.activity.avro.schema_compiler import schemas_at
from consumer.activity.errors import BadRecord, ValueProblem
from consumer.activity.field_paths import FieldPaths
from consumer.activity.row_reader import RowReader, Wants
from consumer.activity.rows import ReadOne, Row
from consumer.activity.schemas.avro_schema import WriterSchema

UNREADABLE = ValueProblem(
    "unreadable", "the bytes do not follow their schema: were they damaged, or written with another one?"
)


def reader_of(writer: WriterSchema, header_size: int, fields: FieldPaths, wants: Wants | None) -> ReadOne:
    """Reads values of this writer, from after their header."""
    narrow = _narrow(writer.bare, {path[0] for path in fields.paths.values()})
    rows = RowReader(fields, wants, "incompatible_schema", next(_units(writer, fields), fields.unit))

    def read(value: bytes) -> Row | None:
        return rows(_record(value, header_size, writer.bare, narrow))

    return read


def _narrow(schema: Any, names: set[str]) -> Any:
    """To read with: only the fields of these names, so that the rest is passed over, unread."""
    if not isinstance(schema, dict):
        return None
    return {**schema, "fields": [f for f in schema["fields"] if f["name"] in names]}


def _units(writer: WriterSchema, fields: FieldPaths) -> Iterator[str | None]:
    """What logical types say of the time; of several that it may have, the first counts."""
    for schema in schemas_at(writer.schema, writer.named, fields.paths["occurred_at"]):
        if (unit := unit_of(schema, None)) is not None:
            yield unit


def _record(value: bytes, header_size: int, schema: Any, narrow: Any) -> Any:
    body = BytesIO(value)
    body.seek(header_size)
    try:
        found: Any = schemaless_reader(body, schema, narrow)
    except Exception:  # noqa: BLE001 - whatever fastavro stumbles upon in bytes; its texts may quote them
        raise BadRecord(*UNREADABLE) from None
    if body.tell() != len(value):
        raise BadRecord(*UNREADABLE)
    return found
