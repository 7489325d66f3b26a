"""Where an event has what Lapse needs of it: paths from the outside in, through records, maps and objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from consumer.config.event_paths import names_in
from consumer.config.source import SourceSettings

Path: TypeAlias = tuple[str, ...]

Node: TypeAlias = "Tree | str"
"""What lies within a name, or the name of our field that is found there."""

Tree: TypeAlias = "dict[str, Node]"
"""Paths that begin alike, joined."""

_TYPES: Mapping[str, Any] = {
    "index": pl.UInt32,  # position in the batch
    "user_id": pl.String,
    "process": pl.String,
    "event": pl.String,
    "closes": pl.Boolean,
    "action": pl.String,
    "occurred_at": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class FieldPaths:
    """The paths of an event's fields, by the names of our own; those that its schema has no place for are left out.

    `unit` is that of times that are numbers and whose schema does not tell: `seconds`, `millis`, `micros` or `nanos`;
    None where each number's size is to tell. Of Avro records only those called one of `records` are events, if any.
    """

    paths: Mapping[str, Path]
    unit: str | None
    records: frozenset[str] = frozenset()

    @property
    def columns(self) -> Mapping[str, Any]:
        """Names and types of the columns that reading a batch gives, in order."""
        found = {"index", "action"} | {"closes" if name == "kind" else name for name in self.paths}
        return {name: kind for name, kind in _TYPES.items() if name in found}

    @property
    def needed(self) -> list[str]:
        """What every schema must have a place for."""
        return [name for name in self.paths if name != "action"]

    def tree(self) -> Tree:
        tree: Tree = {}
        for name, (*outer, last) in self.paths.items():
            at = tree
            for step in outer:
                below = at.setdefault(step, {})
                assert isinstance(below, dict)  # the configuration refuses a path that goes through another
                at = below
            at[last] = name
        return tree


NATIVE = FieldPaths({name: (name,) for name in ("user_id", "process", "kind", "action", "occurred_at")}, "millis")
"""Those of user_activity.avsc."""

_NAMES = {"user": "user_id", "time": "occurred_at"}


def fields_of(source: SourceSettings) -> FieldPaths:
    """Those that the configuration says, or ours where it says none."""
    records = frozenset(source.records)
    if not source.paths:
        return FieldPaths(NATIVE.paths, NATIVE.unit, records)
    paths = {_NAMES.get(key, key): names_in(path) for key, path in source.paths.items()}
    return FieldPaths(paths, source.time_unit, records)
