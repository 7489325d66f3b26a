"""Avro schemas as data: the five files of `schemas/`, and parsing what others wrote."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from consumer.records import Contact, DeliveryStatus, OptOut, Record, Reminder, UserActivity

FILES: Mapping[type[Record], str] = {
    UserActivity: "user_activity.avsc",
    Contact: "contact.avsc",
    Reminder: "reminder.avsc",
    DeliveryStatus: "delivery_status.avsc",
    OptOut: "opt_out.avsc",
}


def schema_folder() -> Path:
    """Where the `.avsc` files are: inside the installed package, or at the root of a checkout."""
    packaged = Path(__file__).parents[2] / "schemas"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "schemas"


def schema_text(cls: type[Record]) -> str:
    """The schema of one of our records, as its file has it."""
    return (schema_folder() / FILES[cls]).read_text(encoding="utf-8")


class UnusableSchema(Exception):
    """Not an Avro schema, or one whose values could not be read safely."""


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema as fastavro parsed it, ready to read and write with.

    `bare` is the same without logical types: values stay the plain numbers and texts that the bytes hold.
    `named` are the named types that it may refer to.
    """

    schema: Any
    bare: Any
    named: Mapping[str, Any]


def parse(text: str, named: Mapping[str, Any] | None = None) -> WriterSchema:
    """Read a schema; `named` are types of other schemas that it refers to.

    Raises UnusableSchema.
    """
    known = dict(named or {})
    try:
        given = json.loads(text)
        bare = parse_schema(_bare(given), {name: _bare(known[name]) for name in known})
        parsed = parse_schema(given, known)
    except Exception as problem:  # fastavro raises whatever it stumbles upon
        raise UnusableSchema(f"not a usable Avro schema ({type(problem).__name__})") from problem
    _refuse_traps(parsed, known, frozenset())
    return WriterSchema(parsed, bare, known)


def read_schemas(files: Iterable[Path]) -> list[WriterSchema]:
    """Writers' schemas from files, each whole in itself, as fingerprints are made of whole schemas.

    Raises UnusableSchema, naming the file.
    """
    return [_read_schema(file) for file in files]


def _read_schema(file: Path) -> WriterSchema:
    try:
        return parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise UnusableSchema(f"{file} cannot be read ({type(problem).__name__})") from problem
    except UnusableSchema as problem:
        raise UnusableSchema(f"{file}: {problem}") from problem


def own(cls: type[Record]) -> WriterSchema:
    """The schema of one of our records."""
    return parse(schema_text(cls))


def single_object_header(writer: WriterSchema) -> bytes:
    """The ten bytes before every value in single-object encoding: C3 01, then the fingerprint, little-endian."""
    # fastavro gives the fingerprint's hexadecimal digits in little-endian order already.
    return b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(writer.schema), "CRC-64-AVRO"))


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _bare(part) for key, part in schema.items() if key != "logicalType"}
    return kept["type"] if set(kept) == {"type"} else kept


def _refuse_traps(schema: Any, named: Mapping[str, Any], inside: frozenset[str]) -> None:
    """Raises UnusableSchema where a few damaged bytes could ask for more than can be done."""
    if isinstance(schema, list):
        for branch in schema:
            _refuse_traps(branch, named, inside)
    elif isinstance(schema, str):
        if schema in inside:
            raise UnusableSchema(f"{schema} contains itself, so that bytes could nest without end")
        if schema in named:
            _refuse_traps(named[schema], named, inside)
    else:
        inside |= {schema["name"]} if "name" in schema else set()
        for part in [schema[key] for key in ("items", "values") if key in schema]:
            _refuse_traps(part, named, inside)
        for f in schema.get("fields", []):
            _refuse_traps(f["type"], named, inside)
        if "items" in schema and _takes_no_bytes(schema["items"], named):
            raise UnusableSchema("it has an array whose items take no bytes, so that there could be any number of them")


def _takes_no_bytes(schema: Any, named: Mapping[str, Any]) -> bool:
    if isinstance(schema, str):
        return schema == "null" or (schema in named and _takes_no_bytes(named[schema], named))
    if isinstance(schema, list):
        return False
    fields = schema.get("fields")
    if fields is not None:
        return all(_takes_no_bytes(f["type"], named) for f in fields)
    return bool(schema.get("size") == 0 or schema["type"] == "null")
