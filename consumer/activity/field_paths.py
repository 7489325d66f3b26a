"""Where an event holds the fields that Lapse needs: in the record's value, its key, its headers, or its timestamp."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import polars as pl

from consumer.activity.times.timestamps import TimeForm
from consumer.config.sections.event_paths import HEADER, KEY, RECORD, TIMESTAMP, Path, Step, steps_in
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.source import SourceSettings

Node: TypeAlias = "Tree | str"
"""What lies inside a step, or the name of our field that lies there."""

Tree: TypeAlias = "dict[Step, Node]"
"""All paths as one tree."""

INTEGER_ALLOWED = ("user_id", "process", "event")
"""Fields that may be whole numbers; they are read as their digits."""

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

    `paths` lead into the record's value. `from_key` lead into its key (the empty path is all of it), `from_headers` are
    names of headers, `from_timestamp` and `from_record_name` are fields that are the record's own time, and the name
    of its Avro schema. With `records`, only Avro records of one of these names are events. `event_names` are those that
    the configuration uses. `labels` say in error texts where each field is.
    """

    paths: Mapping[str, Path]
    times: TimeForm
    records: frozenset[str] = frozenset()
    from_key: Mapping[str, Path] = field(default_factory=dict)
    from_headers: Mapping[str, str] = field(default_factory=dict)
    from_timestamp: frozenset[str] = frozenset()
    from_record_name: frozenset[str] = frozenset()
    event_names: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> Mapping[str, Any]:
        """Return the names and types of the columns that are read from values, in order."""
        found = {"index", *map(column_of, (*self.paths, *self.from_record_name))} | ({"action"} - self.elsewhere)
        return {name: kind for name, kind in _TYPES.items() if name in found}

    @property
    def elsewhere(self) -> set[str]:
        """Return the fields that are not in values."""
        return {*self.from_key, *self.from_headers, *self.from_timestamp}

    @property
    def needed(self) -> list[str]:
        """Return the fields that every schema must have."""
        return [name for name in self.paths if name != "action"]

    def tree(self) -> Node:
        """Return all paths as one tree; the name of a field alone where it is all there is."""
        tree: Tree = {}
        for name, path in self.paths.items():
            if not path:
                return name
            *outer, last = path
            at = tree
            for step in outer:
                below = at.setdefault(step, {})
                assert isinstance(below, dict)  # the configuration refuses a path that goes through another
                at = below
            at[last] = name
        return tree

    def is_event(self, record_name: str) -> bool:
        """Return whether Avro records of this name are events."""
        return not self.records or not self.records.isdisjoint({record_name, record_name.rpartition(".")[2]})

    def event_name(self, record_name: str) -> str:
        """Return what a record's name is as a field: with its namespace only where the configuration has it so."""
        return record_name if record_name in self.event_names else record_name.rpartition(".")[2]

    def label(self, name: str) -> str:
        """Return what an error text calls a field: the configured path, or our own name."""
        return self.labels.get(name, name)


def paths_in(node: Node) -> Iterator[tuple[str, Path]]:
    """Yield every field inside a node, and the path to it."""
    if isinstance(node, str):
        yield node, ()
    else:
        for step, below in node.items():
            for name, path in paths_in(below):
                yield name, (step, *path)


def column_of(name: str) -> str:
    """Return the column that a field is read into."""
    return "ending" if name == "kind" else name


NATIVE = FieldPaths(
    {name: (name,) for name in ("user_id", "process", "kind", "action", "occurred_at")}, TimeForm("millis")
)
"""The paths of user_activity.avsc."""

_NAMES = {"user": "user_id", "time": "occurred_at"}
_KEYS = {name: key for key, name in _NAMES.items()}


def source_key(name: str) -> str:
    """Return the key of `source` that says where a field is."""
    return _KEYS.get(name, name)


def build_field_paths(source: SourceSettings, processes: Mapping[str, ProcessSettings] | None = None) -> FieldPaths:
    """Return the configured paths, or those of our own schema if none are configured."""
    records = frozenset(source.records)
    if not source.paths:
        return FieldPaths(NATIVE.paths, TimeForm("millis", source.timezone), records)
    steps = {_NAMES.get(key, key): steps_in(path) for key, path in source.paths.items()}
    processes = processes or {}
    names = {name for p in processes.values() for name in (*p.active_on, *p.complete_on, *p.cancel_on)}
    return FieldPaths(
        {name: path for name, path in steps.items() if path[0] not in (KEY, HEADER, TIMESTAMP, RECORD)},
        TimeForm(source.time_unit, source.timezone),
        records,
        {name: path[1:] for name, path in steps.items() if path[0] == KEY},
        {name: str(path[1]) for name, path in steps.items() if path[0] == HEADER},
        frozenset(name for name, path in steps.items() if path[0] == TIMESTAMP),
        frozenset(name for name, path in steps.items() if path[0] == RECORD),
        frozenset(names | processes.keys()),
        {_NAMES.get(key, key): f"{path} (source.{key})" for key, path in source.paths.items()},
    )
