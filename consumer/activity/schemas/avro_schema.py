"""Loads the five schemas of `schemas/`, and parses schemas that others wrote."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema

from consumer import bounded_file
from consumer.activity.schemas.framing import SINGLE_OBJECT
from consumer.activity.schemas.resolver import UnusableSchema, resolve
from consumer.records import Contact, DeliveryStatus, OptOut, Record, Reminder, UserActivity

__all__ = [
    "UnusableSchema",
    "WriterSchema",
    "earlier",
    "own",
    "parse",
    "read_schemas",
    "schema_text",
    "single_object_header",
]

FILES: Mapping[type[Record], str] = {
    UserActivity: "user_activity.avsc",
    Contact: "contact.avsc",
    Reminder: "reminder.avsc",
    DeliveryStatus: "delivery_status.avsc",
    OptOut: "opt_out.avsc",
}


def schema_folder() -> Path:
    """Return the folder of the `.avsc` files: in the installed package, or at the root of a checkout."""
    packaged = Path(__file__).parents[2] / "schemas"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "schemas"


def schema_text(cls: type[Record]) -> str:
    """Return the schema text of one of our records."""
    return (schema_folder() / FILES[cls]).read_text(encoding="utf-8")


MAX_SCHEMA_BYTES = 1_000_000


class WriterSchema:
    """A schema with full names. `named` are the named types that it may refer to."""

    def __init__(self, schema: Any, named: Mapping[str, Any]) -> None:
        self.schema = schema
        self.named = named

    @cached_property
    def logical(self) -> Any:
        """Return the schema as fastavro takes it, so that times are read as such. Raises UnusableSchema."""
        return self._for_fastavro(_TIMES)

    @cached_property
    def bare(self) -> Any:
        """Return the same without logical types, so that values are plain numbers and texts. Raises UnusableSchema."""
        return self._for_fastavro(frozenset())

    def _for_fastavro(self, logical_types: frozenset[str]) -> Any:
        try:
            _refuse_unbounded(self.schema, self.named, frozenset())
            return parse_schema(_complete(self.schema, dict(self.named), logical_types))
        except UnusableSchema:
            raise
        except Exception as problem:  # fastavro raises many types
            raise UnusableSchema(f"not a usable Avro schema ({type(problem).__name__}: {problem})") from problem


def parse(text: str, named: Mapping[str, Any] | None = None) -> WriterSchema:
    """Parse a schema; `named` are types of other schemas that it refers to.

    Raises UnusableSchema, naming the field.
    """
    return WriterSchema(*resolve(text, named or {}))


def read_schemas(files: Iterable[Path]) -> list[WriterSchema]:
    """Read writers' schemas from files; each must be complete, since fingerprints are made of complete schemas.

    Raises UnusableSchema, naming the file.
    """
    return [_read_schema(file) for file in files]


def _read_schema(file: Path) -> WriterSchema:
    try:
        return parse(bounded_file.read_text(file, MAX_SCHEMA_BYTES))
    except OSError as problem:
        raise UnusableSchema(f"{file} cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise UnusableSchema(f"{file} is not a text file in UTF-8") from problem
    except UnusableSchema as problem:
        raise UnusableSchema(f"{file}: {problem}") from problem


def earlier() -> list[WriterSchema]:
    """Return the schemas that earlier versions of Lapse wrote with: what they wrote may still lie on a topic."""
    return read_schemas(sorted((schema_folder() / "earlier").glob("*.avsc")))


def own(cls: type[Record]) -> WriterSchema:
    """Return the schema of one of our records."""
    return parse(schema_text(cls))


def single_object_header(writer: WriterSchema) -> bytes:
    """Return the ten bytes before every value in single-object encoding: C3 01 and the little-endian fingerprint."""
    canonical = json.dumps(
        _canonical(_complete(writer.schema, dict(writer.named))), separators=(",", ":"), ensure_ascii=False
    )
    # fastavro returns the fingerprint's hexadecimal digits in little-endian order.
    return bytes(SINGLE_OBJECT) + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))


def _canonical(schema: Any) -> Any:
    """Return a complete schema in parsing canonical form: with its keys in the specification's order."""
    if isinstance(schema, list):
        return [_canonical(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _canonical(schema[key]) for key in _CANONICAL_ORDER if key in schema}


_TIMES = frozenset({"timestamp-millis", "timestamp-micros"})
_KEPT = ("type", "name", "size", "symbols")
_CANONICAL_ORDER = ("name", "type", "fields", "symbols", "items", "values", "size")


def _complete(schema: Any, named: dict[str, Any], logical_types: frozenset[str] = frozenset()) -> Any:
    """Return a schema without defaults and with nothing but these logical types; each of `named` is put in where it is
    first referred to."""
    if isinstance(schema, list):
        return [_complete(branch, named, logical_types) for branch in schema]
    if isinstance(schema, str):
        return _complete(named[schema], named, logical_types) if schema in named else schema
    named.pop(schema.get("name", ""), None)
    made = {key: schema[key] for key in _KEPT if key in schema}
    if str(schema.get("logicalType")) in logical_types:
        made["logicalType"] = schema["logicalType"]
    for inside in ("items", "values"):
        if inside in schema:
            made[inside] = _complete(schema[inside], named, logical_types)
    if "fields" in schema:
        made["fields"] = [
            {"name": field["name"], "type": _complete(field["type"], named, logical_types)}
            for field in schema["fields"]
        ]
    return made if len(made) > 1 else made["type"]


def _refuse_unbounded(schema: Any, named: Mapping[str, Any], inside: frozenset[str]) -> None:
    """Raise UnusableSchema if a few damaged bytes could make fastavro take unbounded time or memory."""
    if isinstance(schema, str) and schema in inside:
        raise UnusableSchema(f"{schema} contains itself, so that bytes could nest without end")
    if isinstance(schema, dict) and "name" in schema:
        inside |= {schema["name"]}
    for part in _parts(schema, named):
        _refuse_unbounded(part, named, inside)
    if isinstance(schema, dict) and "items" in schema and _takes_no_bytes(schema["items"], named):
        raise UnusableSchema("it has an array whose items take no bytes, so that there could be any number of them")


def _parts(schema: Any, named: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the schemas right inside of this one."""
    if isinstance(schema, list):
        yield from schema
    elif isinstance(schema, str):
        yield from [named[schema]] if schema in named else []
    else:
        yield from (schema[key] for key in ("items", "values") if key in schema)
        yield from (field["type"] for field in schema.get("fields", []))


def _takes_no_bytes(schema: Any, named: Mapping[str, Any]) -> bool:
    if isinstance(schema, str):
        return schema == "null" or (schema in named and _takes_no_bytes(named[schema], named))
    if isinstance(schema, list):
        return False
    fields = schema.get("fields")
    if fields is not None:
        return all(_takes_no_bytes(f["type"], named) for f in fields)
    return bool(schema.get("size") == 0 or schema["type"] == "null")
