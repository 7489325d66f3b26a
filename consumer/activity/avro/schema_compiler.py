"""From a writer's schema to a walk through all records that were written with it: see cursor.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from consumer.activity.avro.cursor import Cursor, Longs, Spelling, Verdict, Walk, nothing
from consumer.activity.field_paths import Node, Path, Tree

Leaf: TypeAlias = Callable[[str, Any], Walk | None]
"""For the name of a field and a schema that was found for it (never a union): a walk that notes it, or None where it
does not fit."""

_FIXED_SIZES = {"boolean": 1, "float": 4, "double": 8}
_LONGEST = 64  # items of an array that are still read side by side; an array inside an array gets an eighth


def record_walk(schema: Any, named: Mapping[str, Any], tree: Tree, leaf: Leaf) -> Walk:
    """A walk through records of this schema (as fastavro parsed it) that notes what is at the tree's paths."""
    through = _Types(named, leaf).noting(schema, tree)

    def walk(at: Cursor) -> None:
        through(at)
        at.fail(at.pos != at.end)

    return walk


def schemas_at(schema: Any, named: Mapping[str, Any], path: Path) -> list[Any]:
    """The schemas, other than null, of what may lie there: none if there is no such place."""
    if isinstance(schema, list):
        return [found for branch in schema for found in schemas_at(branch, named, path)]
    full, kind = resolved(schema, named)
    if not path:
        return [full] if kind != "null" else []
    if kind == "map":
        return schemas_at(full["values"], named, path[1:])
    fields = full.get("fields", []) if isinstance(full, dict) else []
    return [found for f in fields if f["name"] == path[0] for found in schemas_at(f["type"], named, path[1:])]


def resolved(schema: Any, named: Mapping[str, Any]) -> tuple[Any, str]:
    """A schema that is no union, with what its name stands for in its place, and the name of its type."""
    full = named.get(type_of(schema), schema)
    return full, type_of(full)


def type_of(schema: Any) -> str:
    """The name of a type, however it is written; a union is not asked."""
    return type_of(schema["type"]) if isinstance(schema, dict) else str(schema)


def _alone(at: Cursor) -> None:
    at.fail_all(Verdict.ALONE)


class _Types:
    """Makes walks of types. None of them contains itself: `avsc.parse` refuses those."""

    def __init__(self, named: Mapping[str, Any], leaf: Leaf) -> None:
        self._named = named
        self._leaf = leaf
        self._made: dict[str, Walk] = {}

    def noting(self, schema: Any, node: Node) -> Walk:
        """Where `node` leads through this type; past it where it does not."""
        if isinstance(schema, list):
            return _union([self.noting(branch, node) for branch in schema])
        full, kind = resolved(schema, self._named)
        if kind == "null":
            return nothing
        if isinstance(node, str):
            return self._leaf(node, full) or _alone
        if kind in ("record", "error"):
            return _sequence([self._field(f, node) for f in full["fields"]])
        if kind == "map":
            keyed = [(Spelling(key.encode()), self.noting(full["values"], below)) for key, below in node.items()]
            return _blocks(_entry(keyed, self.passing(full["values"])))
        return self.passing(schema)

    def _field(self, field: Any, tree: Tree) -> Walk:
        below = tree.get(field["name"])
        return self.passing(field["type"]) if below is None else self.noting(field["type"], below)

    def passing(self, schema: Any) -> Walk:
        if isinstance(schema, list):
            return _union([self.passing(branch) for branch in schema])
        kind = type_of(schema)
        if kind in ("record", "error", "enum", "fixed"):
            return self._named_type(schema)
        if kind == "array":
            return _blocks(self.passing(schema["items"]))
        if kind == "map":
            return _blocks(_sequence([_lengthy, self.passing(schema["values"])]))
        if kind in self._named:
            return self._made.get(kind) or self.passing(self._named[kind])
        if kind in _FIXED_SIZES:
            return _sized(_FIXED_SIZES[kind])
        return {"null": nothing, "int": _number, "long": _number, "bytes": _lengthy, "string": _lengthy}[kind]

    def _named_type(self, schema: Any) -> Walk:
        made = self._made[schema["name"]] = self._body(schema)
        return made

    def _body(self, schema: Any) -> Walk:
        if schema["type"] == "enum":
            return _number
        if schema["type"] == "fixed":
            return _sized(schema["size"])
        return _sequence([self.passing(f["type"]) for f in schema["fields"]])


def _number(at: Cursor) -> None:
    at.long()


def _lengthy(at: Cursor) -> None:
    at.text()


@dataclass(frozen=True, slots=True)
class _Sized:
    """Passes values of so many bytes."""

    size: int

    def __call__(self, at: Cursor) -> None:
        at.skip(np.full(at.rows.size, self.size))


def _sized(size: int) -> Walk:
    return _Sized(size) if size else nothing


def _sequence(walks: list[Walk]) -> Walk:
    steps = [walk for walk in walks if walk is not nothing]

    def walk(at: Cursor) -> None:
        for step in steps:
            step(at)

    return walk if steps else nothing


def _union(branches: list[Walk]) -> Walk:
    none = len(branches)
    sizes = np.array([step.size if isinstance(step, _Sized) else 0 for step in [*branches, nothing]], np.int64)
    others = [(n, step) for n, step in enumerate(branches) if step is not nothing and not isinstance(step, _Sized)]

    def walk(at: Cursor) -> None:
        branch = at.long()
        wrong = branch.view(np.uint64) >= none  # as such a negative number is a huge one
        if wrong.any():
            at.fail(wrong)
            branch = np.where(wrong, none, branch)
        if sizes.any():
            at.skip(sizes[branch])
        for number, step in others:
            at.only(np.flatnonzero(branch == number), step)

    return walk


def _entry(keyed: list[tuple[Spelling, Walk]], past: Walk) -> Walk:
    """One entry of a map. All are passed together, and those of these keys then looked at once more: they are few."""

    def walk(at: Cursor) -> None:
        start, length = at.text()
        value = at.pos
        past(at)
        for key, step in keyed:
            meant = np.flatnonzero(at.spell(start, length, key))
            if meant.size:
                step(Cursor(at.sheet, at.data, at.rows[meant], value[meant], at.end[meant], at.depth))

    return walk


def _blocks(item: Walk) -> Walk:
    """Arrays and maps: blocks of items until one is empty. A negative count is followed by the block's size."""

    def walk(at: Cursor) -> None:
        going = np.flatnonzero(_block(at, item))
        while going.size:
            part = at.part(going) if going.size < at.rows.size else at
            count = _block(part, item)
            if part is not at:
                at.pos[going] = part.pos
            going = going[count > 0]

    return walk


def _block(at: Cursor, item: Walk) -> Longs:
    """Passes one block. Returns how many items each record had in it."""
    count = at.long()
    at.only(np.flatnonzero(count < 0), _number)
    count = np.abs(count)
    at.fail(count > _LONGEST >> (3 * at.depth), Verdict.ALONE)
    at.fail(count < 0)  # the one number whose negative is itself
    count[at.sheet.verdict[at.rows] != Verdict.FINE] = 0
    at.depth += 1
    for done in range(int(count.max(initial=0))):
        at.only(np.flatnonzero(count > done), item)
    at.depth -= 1
    return count
