"""Compares `schemas/` with the schemas of the last release: `python -m tools.check_schemas`.

Ends with status 1, and a line for each change, unless today's Lapse and its subscribers read what the last release
wrote (and, of `schemas/earlier`, what came before), and whoever has the last release's schemas reads what today's Lapse
writes. The rules are Avro's schema resolution, by Apache's own library.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import EnumSchema, RecordSchema, parse

SCHEMAS = Path(__file__).parents[1] / "schemas"


def problems(schemas: Path = SCHEMAS) -> Iterator[str]:
    """Yield a line for each change that breaks a reader."""
    now = {file.stem: _read(file) for file in sorted(schemas.glob("*.avsc"))}
    released = {file.stem: _read(file) for file in sorted((schemas / "released").glob("*.avsc"))}
    for name, before in released.items():
        if name not in now:
            yield f"{name}.avsc was released, and is gone"
            continue
        yield from _unread(before, now[name], f"{name}.avsc cannot read what the last release wrote")
        yield from _unread(now[name], before, f"the last release's {name}.avsc cannot read what this one writes")
        # Avro puts a default in their place, so that a reader of before would believe it.
        for lost in sorted(set(_names(before)) - set(_names(now[name]))):
            yield f"{name}.avsc: {lost} was released, and is gone"
    for file in sorted((schemas / "earlier").glob("*.avsc")):
        before = _read(file)
        for name, schema in now.items():
            if schema.fullname == before.fullname:
                yield from _unread(before, schema, f"{name}.avsc cannot read what {file.name} wrote")


def _unread(writer: RecordSchema, reader: RecordSchema, what: str) -> Iterator[str]:
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    found = checker.get_compatibility(reader, writer)
    if found.compatibility is not SchemaCompatibilityType.compatible:
        yield f"{what}: {'; '.join(sorted(found.messages))} at {', '.join(sorted(found.locations))}"


def _names(record: RecordSchema) -> Iterator[str]:
    """Yield the fields of a record, and the symbols of those that are enums."""
    for field in record.fields:
        yield f"the field {field.name}"
        if isinstance(field.type, EnumSchema):
            yield from (f"the symbol {symbol} of {field.name}" for symbol in field.type.symbols)


def _read(file: Path) -> RecordSchema:
    schema = parse(file.read_text(encoding="utf-8"))
    assert isinstance(schema, RecordSchema), file
    return schema


if __name__ == "__main__":
    lines = list(problems())
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.exit(1 if lines else 0)
