"""Encodes our own records, and decodes them, one at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from io import BytesIO
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError

from consumer.activity.errors import BadRecord, RegistryUnavailable, SchemaRefused
from consumer.activity.schemas.avro_schema import UnusableSchema, WriterSchema, own, schema_text, single_object_header
from consumer.activity.schemas.framing import UNREADABLE, header_of, registry_header
from consumer.activity.schemas.misread_fields import misread_field
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.records import Record

if TYPE_CHECKING:  # importing the registry's client takes half a second; without a registry it is not needed
    from consumer.activity.schemas.registry import RegistryClient

__all__ = ["BadRecord", "RecordCodec", "RegistryUnavailable", "SchemaRefused"]

R = TypeVar("R", bound=Record)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class RecordCodec:
    """Encodes records as the topics carry them, and decodes what others wrote with any schema that fits ours.

    With a registry values are in the Confluent wire format, without one in Avro single-object encoding; both are
    read. Safe to use from several threads.
    """

    def __init__(self, writers: WriterSchemas, registry: "RegistryClient | None" = None) -> None:
        self._writers = writers
        self._registry = registry
        self._shapes: dict[type[Any], _RecordShape] = {}
        self._headers: dict[tuple[str, type[Record]], bytes] = {}
        self._readers: dict[tuple[bytes, type[Any]], tuple[Any, Any]] = {}
        self._unusable: dict[tuple[bytes, type[Any]], str] = {}

    def register(self, topic: str, cls: type[Record]) -> bytes:
        """Return the header of this topic's values. Asks the registry the first time, so that `encode` need not.

        Raises RegistryUnavailable, SchemaRefused.
        """
        header = self._headers.get((topic, cls))
        if header is None:
            header = self._header(topic, cls)
            self._headers[topic, cls] = header
        return header

    def encode(self, record: Record, topic: str) -> bytes:
        """Return the value of a record on a topic. Raises like `register` if that was not called before."""
        cls = type(record)
        shape = self._shape(cls)
        out = BytesIO()
        out.write(self.register(topic, cls))
        schemaless_writer(out, shape.schema.bare, dict(zip(shape.names, shape.values(record), strict=True)))
        return out.getvalue()

    def decode(self, cls: type[R], data: bytes) -> R:
        """Return the record in a value.

        Raises BadRecord (unframed, unknown_schema, incompatible_schema, unreadable), RegistryUnavailable.
        """
        header = header_of(data)
        writer = self._writers.find(header)
        body = BytesIO(data)
        body.seek(len(header))
        record = self._read(cls, header, writer, body)
        if body.tell() != len(data):
            raise BadRecord("unreadable", "bytes are left over after the record: was it written with another schema?")
        return record

    def _read(self, cls: type[R], header: bytes, writer: WriterSchema, body: BytesIO) -> R:
        try:
            found: Any = schemaless_reader(body, *self._schemas(cls, header, writer))
            return cls(**self._shape(cls).record(found))
        except UnusableSchema as problem:
            self._unusable[header, cls] = str(problem)  # a large one takes long to look at
            raise BadRecord("incompatible_schema", f"its schema cannot be used: {problem}") from None
        except SchemaResolutionError:
            error = f"its schema does not fit {cls.__name__}: compare it with the file in schemas/"
            raise BadRecord("incompatible_schema", error) from None
        except Exception:  # noqa: BLE001 - fastavro raises many types for bad bytes, and its texts may quote data
            raise BadRecord(*UNREADABLE) from None

    def _schemas(self, cls: type[R], header: bytes, writer: WriterSchema) -> tuple[Any, Any]:
        """Return the writer's schema, and ours as the reader's schema if they differ."""
        if problem := self._unusable.get((header, cls)):
            raise UnusableSchema(problem)
        schemas = self._readers.get((header, cls))
        if schemas is None:
            ours = self._shape(cls).schema
            same = writer.schema == ours.schema
            if not same and (misread := misread_field(ours, writer)):
                raise UnusableSchema(f"{misread}. Compare it with {cls.__name__} in schemas/")
            schemas = (ours.bare, None) if same else (writer.logical, _reader_schema(writer.schema, ours.schema))
            self._readers[header, cls] = schemas
        return schemas

    def _header(self, topic: str, cls: type[Record]) -> bytes:
        if self._registry is None:
            return single_object_header(self._shape(cls).schema)
        header = registry_header(self._registry.register(f"{topic}-value", schema_text(cls)))
        self._writers.learn_id(header, self._shape(cls).schema)
        return header

    def _shape(self, cls: type[Any]) -> "_RecordShape":
        shape = self._shapes.get(cls)
        if shape is None:
            shape = self._shapes[cls] = _RecordShape.of(cls)
        return shape


@dataclass(frozen=True, slots=True)
class _RecordShape:
    """A record class: its schema, its fields in order, its enumerations."""

    schema: WriterSchema
    names: tuple[str, ...]
    values: "attrgetter[tuple[Any, ...]]"
    kinds: Mapping[str, type[StrEnum]]

    @classmethod
    def of(cls, record: type[Record]) -> "_RecordShape":
        names = tuple(f.name for f in fields(record))
        hints = get_type_hints(record)
        kinds = {n: hints[n] for n in names if isinstance(hints[n], type) and issubclass(hints[n], StrEnum)}
        return cls(own(record), names, attrgetter(*names), kinds)

    def record(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return values as the record class holds them: times as whole milliseconds, symbols as members."""
        values = {name: _millis(value) for name, value in found.items()}
        for name, kind in self.kinds.items():
            values[name] = kind(values[name])
        return values


def _millis(value: Any) -> Any:
    # fastavro makes datetimes of milliseconds and of microseconds.
    return (value - _EPOCH) // _MILLISECOND if isinstance(value, datetime) else value


def _reader_schema(theirs: Any, ours: Mapping[str, Any]) -> Any:
    """Return our schema with the writer's record name as an alias, so that another name is no reason to refuse it."""
    named = isinstance(theirs, dict) and "name" in theirs
    return parse_schema({**ours, "aliases": [theirs["name"]] if named else []})
