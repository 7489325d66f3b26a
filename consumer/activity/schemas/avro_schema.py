"""Loads the five schemas of `schemas/`, and parses schemas that others wrote."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from consumer import bounded_file
from consumer.activity.schemas.framing import SINGLE_OBJECT
from consumer.records import Contact, DeliveryStatus, OptOut, Record, Reminder, UserActivity

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
MAX_SCHEMA_PARTS = 10_000
"""Fields, branches and items, where each name stands for what it names: names of names make billions."""


class UnusableSchema(Exception):
    """It is not an Avro schema, or its values could not be read safely."""


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema parsed by fastavro.

    `bare` is the same without logical types, so that values are read as plain numbers and texts. `named` are the named
    types that it may refer to.
    """

    schema: Any
    bare: Any
    named: Mapping[str, Any]


def parse(text: str, named: Mapping[str, Any] | None = None) -> WriterSchema:
    """Parse a schema; `named` are types of other schemas that it refers to.

    Raises UnusableSchema.
    """
    known = dict(named or {})
    try:
        definition = json.loads(text)
        bare = parse_schema(
            _without_logical_types(definition), {name: _without_logical_types(known[name]) for name in known}
        )
        parsed = parse_schema(definition, known)
    except Exception as problem:  # fastavro raises many types
        raise UnusableSchema(f"not a usable Avro schema ({type(problem).__name__})") from problem
    _refuse_unbounded(parsed, known)
    return WriterSchema(parsed, bare, known)


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


def own(cls: type[Record]) -> WriterSchema:
    """Return the schema of one of our records."""
    return parse(schema_text(cls))


def single_object_header(writer: WriterSchema) -> bytes:
    """Return the ten bytes before every value in single-object encoding: C3 01 and the little-endian fingerprint."""
    # fastavro returns the fingerprint's hexadecimal digits in little-endian order.
    return bytes(SINGLE_OBJECT) + bytes.fromhex(fingerprint(to_parsing_canonical_form(writer.schema), "CRC-64-AVRO"))


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logical_types(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _without_logical_types(part) for key, part in schema.items() if key != "logicalType"}
    return kept["type"] if set(kept) == {"type"} else kept


def _refuse_unbounded(schema: Any, named: Mapping[str, Any]) -> None:
    """Raise UnusableSchema if a few damaged bytes, or a few lines of the schema, could ask for unbounded time or
    memory."""
    parts = count(1)

    def walk(schema: Any, inside: frozenset[str]) -> None:
        if next(parts) > MAX_SCHEMA_PARTS:
            raise UnusableSchema(f"its values have more than {MAX_SCHEMA_PARTS:,} parts")
        if isinstance(schema, list):
            for branch in schema:
                walk(branch, inside)
        elif isinstance(schema, str):
            if schema in inside:
                raise UnusableSchema(f"{schema} contains itself, so that bytes could nest without end")
            if schema in named:
                walk(named[schema], inside)
        else:
            inside |= {schema["name"]} if "name" in schema else set()
            for part in [schema[key] for key in ("items", "values") if key in schema]:
                walk(part, inside)
            for f in schema.get("fields", []):
                walk(f["type"], inside)
            if "items" in schema and _takes_no_bytes(schema["items"], named):
                raise UnusableSchema(
                    "it has an array whose items take no bytes, so that there could be any number of them"
                )

    walk(schema, frozenset())


def _takes_no_bytes(schema: Any, named: Mapping[str, Any]) -> bool:
    if isinstance(schema, str):
        return schema == "null" or (schema in named and _takes_no_bytes(named[schema], named))
    if isinstance(schema, list):
        return False
    fields = schema.get("fields")
    if fields is not None:
        return all(_takes_no_bytes(f["type"], named) for f in fields)
    return bool(schema.get("size") == 0 or schema["type"] == "null")
