"""Where an event holds the fields that Lapse needs: paths from the outside in, through records, maps and objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from consumer.config.source import SourceSettings, names_in

Path: TypeAlias = tuple[str, ...]

Node: TypeAlias = "Tree | str"
"""What lies inside a name, or the name of our field that lies there."""

Tree: TypeAlias = "dict[str, Node]"
"""All paths as one tree."""

_TYPES: Mapping[str, Any] = {
    "index": pl.UInt32,  # position in the batch
    "user_id": pl.String,
    "process": pl.String,
    "event": pl.String,
    "ending": pl.UInt8,  # a value of records.Ending
    "action": pl.String,
    "occurred_at": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class FieldPaths:
    """The paths of an event's fields, by our names of them; fields that are not configured are missing.

    `unit` is the unit of times that are numbers without a logical type: `seconds`, `millis`, `micros` or `nanos`; None
    if it follows from each number's size. With `records`, only Avro records of one of these names are events.
    """

    paths: Mapping[str, Path]
    unit: str | None
    records: frozenset[str] = frozenset()

    @property
    def columns(self) -> Mapping[str, Any]:
        """Return the names and types of the columns of a read batch, in order."""
        found = {"index", "action"} | {"ending" if name == "kind" else name for name in self.paths}
        return {name: kind for name, kind in _TYPES.items() if name in found}

    @property
    def needed(self) -> list[str]:
        """Return the fields that every schema must have."""
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
"""The paths of user_activity.avsc."""

_NAMES = {"user": "user_id", "time": "occurred_at"}


def build_field_paths(source: SourceSettings) -> FieldPaths:
    """Return the configured paths, or those of our own schema if none are configured."""
    records = frozenset(source.records)
    if not source.paths:
        return FieldPaths(NATIVE.paths, NATIVE.unit, records)
    paths = {_NAMES.get(key, key): names_in(path) for key, path in source.paths.items()}
    return FieldPaths(paths, source.time_unit, records)


def value_at(event: Any, path: Path | None) -> Any:
    """Return what lies at the path in nested dictionaries; None if nothing does, or if there is no path."""
    if path is None:
        return None
    for name in path:
        event = event.get(name) if isinstance(event, dict) else None
    return event
