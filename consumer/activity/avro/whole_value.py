"""Reads an Avro value whole, as nested dictionaries and lists: to look at a topic, not for the hot path.

Types may lie within themselves, so depth is bounded by Python's stack alone. Logical types are plain numbers and bytes.
"""

from struct import unpack_from
from typing import Any

from consumer.activity.avro.plain_readers import Damaged, block_count, cut, read_bytes, read_long, read_symbol
from consumer.activity.avro.schema_compiler import record_name, resolved
from consumer.activity.errors import BadRecord
from consumer.activity.schemas.avro_schema import WriterSchema
from consumer.activity.schemas.framing import UNREADABLE

_MAX_EMPTY_VALUES = 100_000
"""Values of one record that take no bytes: a few bytes could stand for an array of any number of them."""


def read_whole(writer: WriterSchema, data: bytes, at: int) -> Any:
    """Return the value that begins at `at` and ends with the data. Raises BadRecord (unreadable)."""
    try:
        value, end = _Reader(writer, data).value(writer.schema, at)
    except (Damaged, IndexError, RecursionError):
        raise BadRecord(*UNREADABLE) from None
    if end != len(data):
        raise BadRecord(*UNREADABLE)
    return value


def record_name_of(writer: WriterSchema, data: bytes, at: int) -> str:
    """Return the full name of the record that begins at `at`, one of a union or not; "" if it is none.

    Raises BadRecord (unreadable).
    """
    try:
        schema = read_symbol(writer.schema, data, at)[0] if isinstance(writer.schema, list) else writer.schema
    except (Damaged, IndexError):
        raise BadRecord(*UNREADABLE) from None
    return record_name(resolved(schema, writer.named)[0])


class _Reader:
    """Each function returns a value, and the position behind it."""

    def __init__(self, writer: WriterSchema, data: bytes) -> None:
        self._named = writer.named
        self._data = data
        self._left = len(data) + _MAX_EMPTY_VALUES

    def value(self, schema: Any, at: int) -> tuple[Any, int]:
        self._left -= 1
        if self._left < 0:
            raise Damaged
        if isinstance(schema, list):
            branch, at = read_symbol(schema, self._data, at)
            return self.value(branch, at)
        full, kind = resolved(schema, self._named)
        match kind:
            case "record" | "error":
                return self._record(full, at)
            case "array":
                return self._array(full, at)
            case "map":
                return self._map(full, at)
            case "enum":
                return read_symbol(full["symbols"], self._data, at)
            case "fixed":
                return cut(self._data, at, full["size"])
            case _:
                return self._primitive(kind, at)

    def _primitive(self, kind: str, at: int) -> tuple[Any, int]:
        match kind:
            case "null":
                return None, at
            case "boolean":
                return self._data[at] != 0, at + 1
            case "int" | "long":
                return read_long(self._data, at)
            case "float":
                return unpack_from("<f", cut(self._data, at, 4)[0])[0], at + 4
            case "double":
                return unpack_from("<d", cut(self._data, at, 8)[0])[0], at + 8
        found, at = read_bytes(self._data, at)
        return (found.decode(errors="replace") if kind == "string" else found), at

    def _record(self, full: Any, at: int) -> tuple[dict[str, Any], int]:
        made = {}
        for field in full["fields"]:
            made[field["name"]], at = self.value(field["type"], at)
        return made, at

    def _array(self, full: Any, at: int) -> tuple[list[Any], int]:
        made = []
        count, at = block_count(self._data, at)
        while count:
            for _ in range(count):
                item, at = self.value(full["items"], at)
                made.append(item)
            count, at = block_count(self._data, at)
        return made, at

    def _map(self, full: Any, at: int) -> tuple[dict[str, Any], int]:
        made = {}
        count, at = block_count(self._data, at)
        while count:
            for _ in range(count):
                key, at = read_bytes(self._data, at)
                made[key.decode(errors="replace")], at = self.value(full["values"], at)
            count, at = block_count(self._data, at)
        return made, at
