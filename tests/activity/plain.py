"""Avro read the plain way: one value at a time, as the specification says, and nothing forgiven.

fastavro is laxer with damaged bytes (an index of -1 is its last branch, a number may have any length), so this is what
the decoder is held against; where this reads a record, fastavro must read the same.
"""

from collections.abc import Mapping
from typing import Any

from consumer.records import Ending

ENDINGS = {"COMPLETED": Ending.COMPLETED, "CANCELLED": Ending.CANCELLED}
PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


class Broken(Exception):
    """The bytes do not follow the schema."""


class Plain:
    """Reads `data` from its start. Texts stay bytes: nobody need look into those that nobody wants."""

    def __init__(self, data: bytes, named: Mapping[str, Any]) -> None:
        self.data = data
        self.at = 0
        self.named = named

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            raise Broken
        self.at += count
        return self.data[self.at - count : self.at]

    def long(self) -> int:
        value = 0
        for place in range(10):
            (byte,) = self.take(1)
            value |= (byte & 127) << (7 * place)
            if byte < 128:
                break
        else:
            raise Broken
        if value >= 2**64:
            raise Broken
        return (value >> 1) ^ -(value & 1)

    def one_of(self, choices: list[Any]) -> Any:
        index = self.long()
        if not 0 <= index < len(choices):
            raise Broken
        return choices[index]

    def read(self, schema: Any) -> Any:
        if isinstance(schema, list):
            return self.read(self.one_of(schema))
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind in self.named:
            return self.read(self.named[kind])
        if kind == "record":
            return {field["name"]: self.read(field["type"]) for field in schema["fields"]}
        if kind == "enum":
            return self.one_of(schema["symbols"])
        if kind == "fixed":
            return self.take(schema["size"])
        if kind in ("array", "map"):
            return self.items(schema, kind)
        return self.primitive(kind)

    def primitive(self, kind: str) -> Any:
        if kind in ("bytes", "string"):
            return self.take(self.long())
        if kind in ("int", "long"):
            return self.long()
        return self.take({"null": 0, "boolean": 1, "float": 4, "double": 8}[kind]) or None

    def items(self, schema: Any, kind: str) -> list[Any]:
        found: list[Any] = []
        while count := self.long():
            if count < 0:
                count = -count
                self.long()
            for _ in range(count):
                if kind == "map":
                    self.take(self.long())
                found.append(self.read(schema["items" if kind == "array" else "values"]))
        return found


def activity(body: bytes, schema: Any, named: Mapping[str, Any], unit: int = 1) -> tuple[Any, ...]:
    """user_id, process, ending, action and occurred_at of a record. Raises Broken."""
    plain = Plain(body, named)
    found = plain.read(schema)
    if plain.at != len(body):
        raise Broken
    kind = found["kind"]
    ending = ENDINGS.get(text(kind).upper(), Ending.NONE) if kind is not None else None
    time = found["occurred_at"]
    return (
        text(found["user_id"]),
        text(found["process"]),
        ending,
        text(found.get("action")),
        None if time is None else time // unit,
    )


def text(value: Any) -> Any:
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise Broken from None
