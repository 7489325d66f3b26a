"""Reads a batch of JSON objects: msgspec decodes only the fields that are wanted.

A value that msgspec refuses is read once more with the standard library, to find out what is wrong with it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import polars as pl

from consumer.activity import timestamps
from consumer.activity.errors import BadRecord
from consumer.activity.field_paths import NATIVE, FieldPaths, Node, Tree
from consumer.activity.iso8601 import NO_TIME
from consumer.activity.row_reader import INTEGER_ALLOWED, EventFilter, RowReader
from consumer.activity.rows import Row, RowBatch, ending_of, merge, read_singly

_Values = Sequence[bytes | None]

_CHUNK = 2_000
"""Values decoded at a time, so that their Python objects are used while they are in the processor's cache."""


class JsonReader:
    """Reads batches of JSON objects."""

    def __init__(self, fields: FieldPaths = NATIVE, wants: EventFilter | None = None) -> None:
        self._fields = fields
        self._tree = fields.tree()
        event = _struct(self._tree)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(event).decode
        self._blank = event()
        self._read_event = RowReader(fields, wants, "unreadable", fields.unit)

    def __call__(self, values: _Values) -> RowBatch:
        frames: list[pl.DataFrame] = []
        singly: list[int] = []
        for start in range(0, max(1, len(values)), _CHUNK):
            frame, places = self._read_together(values[start : start + _CHUNK])
            frames.append(frame.with_columns(pl.col("index") + start) if start else frame)
            singly += [start + place for place in places]
        rows = RowBatch(pl.concat(frames, rechunk=True), [])
        return merge(rows, [read_singly(values, singly, self._read_one, self._fields.columns)]) if singly else rows

    def _read_together(self, values: _Values) -> tuple[pl.DataFrame, list[int]]:
        """Return their rows, and the indices of those that must be read singly."""
        events, singly = self._decoded(values)
        found = dict(_lists(self._tree, events))
        moments = timestamps.from_any(found["occurred_at"], self._fields.unit)
        untimely = np.flatnonzero(moments == NO_TIME).tolist()
        singly |= {place for place in untimely if found["occurred_at"][place] is not None}
        frame = pl.DataFrame({name: self._column(name, found, moments) for name in self._fields.columns})
        if not singly:
            return frame, []
        good = np.ones(len(values), np.bool_)
        good[list(singly)] = False
        return frame.filter(good), sorted(singly)

    def _decoded(self, values: _Values) -> tuple[list[Any], set[int]]:
        """Return an event for each value, and the indices of those that must be read singly."""
        events: list[Any] = []
        singly: set[int] = set()
        decoded = map(self._decode, values)  # type: ignore[arg-type] # a null is read singly
        while len(events) < len(values):
            try:
                events.extend(decoded)  # up to a value that is refused; those before it are kept
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError):
                singly.add(len(events))
                events.append(self._blank)
        return events, singly

    def _column(self, name: str, found: dict[str, list[Any]], moments: timestamps.Longs) -> Any:
        if name == "index":
            return np.arange(moments.size, dtype=np.uint32)
        if name == "ending":
            endings = {kind: None if kind is None else ending_of(kind) for kind in set(found["kind"])}
            return pl.Series([endings[kind] for kind in found["kind"]], dtype=pl.UInt8)
        if name == "occurred_at":
            return timestamps.column(moments)
        return pl.Series(_digits(found.get(name, [None] * moments.size)), dtype=pl.String)

    def _read_one(self, value: bytes) -> Row | None:
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            raise BadRecord("unreadable", "it is not JSON: does its producer write another format?") from None
        if not isinstance(found, dict):
            raise BadRecord("unreadable", "it is not a JSON object: an activity has fields")
        return self._read_event(found)


def _struct(tree: Tree) -> type[msgspec.Struct]:
    """Return a class with the tree's names as attributes f0, f1 and so on; None where a name is missing."""
    attributes = [(f"f{place}", _type(node), None) for place, node in enumerate(tree.values())]
    names = {f"f{place}": name for place, name in enumerate(tree)}
    return msgspec.defstruct("Event", attributes, rename=names, gc=False)


def _type(node: Node) -> Any:
    if not isinstance(node, str):
        return _struct(node) | None
    if node == "occurred_at":
        return int | float | str | None
    return int | str | None if node in INTEGER_ALLOWED else str | None


def _lists(tree: Tree, events: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the name of every field in the tree, and what each event has there."""
    for place, node in enumerate(tree.values()):
        inner = list(map(attrgetter(f"f{place}"), events))
        if isinstance(node, str):
            yield node, inner
        else:
            yield from _lists(node, [_NOTHING if event is None else event for event in inner])


class _Nothing:
    """Stands for a missing object: every attribute is None."""

    def __getattr__(self, name: str) -> None:
        return None


_NOTHING = _Nothing()


def _digits(found: list[Any]) -> list[str | None]:
    """Return the values with whole numbers as text."""
    if int not in set(map(type, found)):
        return found
    return [str(one) if isinstance(one, int) else one for one in found]
