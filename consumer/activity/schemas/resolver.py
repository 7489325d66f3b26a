"""Resolves a schema as somebody wrote it: names are made full, and nothing is judged that reading does not need.

Defaults, aliases, documentation and attributes of logical types stay as they are, whatever they say: a field that is
not read only has to be skipped, and one that is read is judged where it is read. What makes a value's length unknown
(an unknown type, a fixed without a size) is refused, with the field it is in. What belongs to another kind of type (the
name of an array, the items of a text) is left out: whoever walks through the result may go by what is there.
"""

import json
from collections.abc import Mapping
from typing import Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
MAX_SCHEMA_PARTS = 10_000
"""Fields, branches and items, where each name stands for what it names."""
MAX_FIXED_BYTES = 2**31 - 1
_NAMED = frozenset({"record", "error", "enum", "fixed"})
_STRUCTURE = frozenset({"type", "name", "namespace", "fields", "symbols", "items", "values", "size"})
"""What makes a type; all else is an attribute."""


class UnusableSchema(Exception):
    """It is not an Avro schema."""


def resolve(text: str, known: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the schema, and all named types that it may refer to: those of `known`, and its own.

    Raises UnusableSchema.
    """
    try:
        definition = json.loads(text)
        resolver = _Resolver(known)
        schema = resolver.schema(definition, "", "the schema")
        _refuse_too_many_parts(schema, resolver.named)
        return schema, resolver.named
    except (ValueError, RecursionError):
        raise UnusableSchema("it is not JSON, or is nested without end") from None
    except UnusableSchema:
        raise
    except Exception as problem:  # what a stranger wrote must never look like a fault of ours, or of the registry
        raise UnusableSchema(f"it is no Avro schema ({type(problem).__name__})") from problem


class _Resolver:
    def __init__(self, known: Mapping[str, Any]) -> None:
        self.named = dict(known)
        self._defined: set[str] = set()

    def schema(self, found: Any, namespace: str, where: str) -> Any:
        """`where` is the path of the field that has this type."""
        if isinstance(found, list):
            return [self.schema(branch, namespace, where) for branch in found]
        if isinstance(found, str):
            return self._reference(found, namespace, where)
        if not isinstance(found, dict) or "type" not in found:
            raise UnusableSchema(f"{where} has no type")
        kind = found["type"]
        if not isinstance(kind, str):
            return self._wrapped(found, self.schema(kind, namespace, where))
        if kind in _NAMED:
            return self._named(found, kind, namespace, where)
        if kind in ("array", "map"):
            inside = "items" if kind == "array" else "values"
            return {**_attributes(found), "type": kind, inside: self.schema(found.get(inside, {}), namespace, where)}
        return {**_attributes(found), "type": kind} if kind in PRIMITIVES else self._reference(kind, namespace, where)

    @staticmethod
    def _wrapped(found: dict[str, Any], inner: Any) -> Any:
        """Return {"type": {"type": …}, …} as one: its attributes belong to the type inside, unless that is a union, or
        is defined elsewhere."""
        return {**_attributes(found), **inner} if isinstance(inner, dict) else inner

    def _reference(self, name: str, namespace: str, where: str) -> str:
        full = name if name in PRIMITIVES else _full_name(name, namespace)
        if full not in PRIMITIVES and full not in self.named:
            raise UnusableSchema(f"{where} has the type {full}, which is not defined")
        return full

    def _named(self, found: dict[str, Any], kind: str, namespace: str, where: str) -> dict[str, Any]:
        name = found.get("name")
        if not isinstance(name, str) or not name:
            raise UnusableSchema(f"{where} has a type {kind} without a name")
        own_namespace = found.get("namespace")
        full = _full_name(name, own_namespace if isinstance(own_namespace, str) else namespace)
        if full in PRIMITIVES:
            raise UnusableSchema(f"{where} defines a type {full}, a name that Avro keeps for its own")
        if full in self._defined:
            raise UnusableSchema(f"{where} defines the type {full} a second time")
        self._defined.add(full)
        # Known before its fields are: they may be of this type.
        made = self.named[full] = {**_attributes(found), "type": kind, "name": full}
        if kind in ("record", "error"):
            made["fields"] = [
                self._field(field, full.rpartition(".")[0], where) for field in _listed(found, "fields", where)
            ]
        elif kind == "enum":
            made["symbols"] = [str(symbol) for symbol in _listed(found, "symbols", where)]
        elif type(size := found.get("size")) is int and 0 <= size <= MAX_FIXED_BYTES:
            made["size"] = size
        else:
            raise UnusableSchema(f"{where} has the type {full}, a fixed whose size is no number of bytes")
        return made

    def _field(self, field: Any, namespace: str, where: str) -> dict[str, Any]:
        if not isinstance(field, dict) or not isinstance(field.get("name"), str):
            raise UnusableSchema(f"{where} has a field without a name")
        path = field["name"] if where == "the schema" else f"{where}.{field['name']}"
        return {**field, "type": self.schema(field.get("type", {}), namespace, path)}


def _refuse_too_many_parts(schema: Any, named: Mapping[str, Any]) -> None:
    """Raise UnusableSchema where names of names make billions of parts. Within itself a type counts once."""
    counted: dict[str, int] = {}

    def count(schema: Any) -> int:
        if isinstance(schema, list):
            return 1 + sum(map(count, schema))
        if isinstance(schema, str):
            return count(named[schema]) if schema in named else 1
        inside = [schema[key] for key in ("items", "values") if key in schema]
        if "name" not in schema:
            return 1 + sum(map(count, inside))
        if schema["name"] not in counted:
            counted[schema["name"]] = 1
            counted[schema["name"]] += sum(count(field["type"]) for field in schema.get("fields", []))
        return counted[schema["name"]]

    if count(schema) > MAX_SCHEMA_PARTS:
        raise UnusableSchema(f"its values have more than {MAX_SCHEMA_PARTS:,} parts")


def _attributes(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in _STRUCTURE}


def _full_name(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _listed(found: Mapping[str, Any], key: str, where: str) -> list[Any]:
    items = found.get(key)
    if not isinstance(items, list):
        raise UnusableSchema(f"{where} has a type {found['type']} without {key}")
    return items
