"""Reads a batch of JSON objects: msgspec decodes only the fields that are wanted.

A value that msgspec refuses is read once more with the standard library, to find out what is wrong with it.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import polars as pl

from consumer.activity.errors import BadRecord
from consumer.activity.event_values import value_at, whole_number
from consumer.activity.field_paths import INTEGER_ALLOWED, NATIVE, FieldPaths, Node, Tree, paths_in
from consumer.activity.row_reader import EventFilter, PlainValues, RowReader
from consumer.activity.rows import Elsewhere, Row, RowBatch, ending_of, merge, read_singly
from consumer.activity.schemas.framing import refuse_foreign_frame, without_registry_frame
from consumer.activity.times import timestamps
from consumer.activity.times.iso8601 import NO_TIME

_Values = Sequence[bytes | None]

_CHUNK = 2_000
"""Values decoded at a time, so that their Python objects are used while they are in the processor's cache."""
_NOTHING_ELSEWHERE: Elsewhere = {}
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError)


class JsonReader:
    """Reads batches of JSON objects, plain or behind a registry's frame."""

    def __init__(self, fields: FieldPaths = NATIVE, wants: EventFilter | None = None) -> None:
        self._fields = fields
        tree = fields.tree()
        assert isinstance(tree, dict)  # JSON that is all of a key is read without a reader
        self._tree = _ObjectReader(tree)
        self._row, self._values = RowReader(fields, wants), PlainValues(fields, "unreadable")

    def __call__(self, values: _Values, elsewhere: Elsewhere = _NOTHING_ELSEWHERE) -> RowBatch:
        frames: list[pl.DataFrame] = []
        singly: list[int] = []
        for start in range(0, max(1, len(values)), _CHUNK):
            frame, places = self._read_together(values[start : start + _CHUNK])
            frames.append(frame.with_columns(pl.col("index") + start) if start else frame)
            singly += [start + place for place in places]
        rows = RowBatch(pl.concat(frames, rechunk=True), [])
        if not singly:
            return rows
        return merge(rows, [read_singly(values, elsewhere, singly, self._read_one, self._fields.columns)])

    def _read_together(self, values: _Values) -> tuple[pl.DataFrame, list[int]]:
        """Return their rows, and the indices of those that must be read singly."""
        singly: set[int] = set()
        found = dict(self._tree.fields(self._decoded(values, singly), singly))
        for name in self._tree.untyped:
            types = (int, float, str) if name in (*INTEGER_ALLOWED, "occurred_at") else (str,)
            found[name] = _only(found[name], types, singly)
        texts = {name: _texts(name, column, singly) for name, column in found.items() if name != "occurred_at"}
        moments = self._moments(found.get("occurred_at"), len(values), singly)
        frame = pl.DataFrame({name: _column(name, texts, moments) for name in self._fields.columns})
        if not singly:
            return frame, []
        good = np.ones(len(values), np.bool_)
        good[list(singly)] = False
        return frame.filter(good), sorted(singly)

    def _decoded(self, values: _Values, singly: set[int]) -> list[Any]:
        """Return an event for each value."""
        decode, events, has_frames = self._tree.decode, list[Any](), False
        decoded = map(decode, values)  # type: ignore[arg-type] # a null is read singly
        while len(events) < len(values):
            try:
                events.extend(decoded)  # up to a value that is refused; those before it are kept
            except _REFUSED:
                place = len(events)
                if not has_frames and without_registry_frame(values[place]):  # most likely all have one
                    has_frames = True
                    decoded = map(decode, [without_registry_frame(value) or value for value in values[place:]])  # type: ignore[arg-type]
                else:
                    singly.add(place)
                    events.append(self._tree.blank)
        return events

    def _moments(self, found: list[Any] | None, count: int, singly: set[int]) -> timestamps.Longs:
        if found is None:
            return np.full(count, NO_TIME)
        moments = timestamps.from_any(found, self._fields.times)
        untimely = np.flatnonzero(moments == NO_TIME).tolist()
        singly |= {place for place in untimely if found[place] is not None}
        return moments

    def _read_one(self, value: bytes, elsewhere: Mapping[str, Any]) -> Row | None:
        refuse_foreign_frame(value)
        try:
            found = json.loads(without_registry_frame(value) or value)
        except (ValueError, RecursionError):
            raise BadRecord("unreadable", "it is not JSON: does its producer write another format?") from None
        if not isinstance(found, dict):
            raise BadRecord("unreadable", "it is not a JSON object: an activity has fields")
        paths = self._fields.paths
        return self._row(lambda name: self._values.field(name, value_at(found, paths[name])), elsewhere)


class _ObjectReader:
    """Reads what lies at the names of a tree in an object."""

    def __init__(self, tree: Tree) -> None:
        """Make a class with the tree's names as attributes f0, f1 and so on; None where a name is missing."""
        self._inner = {
            step: _ObjectReader(node)
            for step, node in tree.items()
            if not isinstance(node, str) and all(isinstance(inside, str) for inside in node)
        }
        self._nodes = [(place, step, node) for place, (step, node) in enumerate(tree.items())]
        attributes = [(f"f{place}", self._type(step, node), None) for place, step, node in self._nodes]
        names = {f"f{place}": str(step) for place, step, _ in self._nodes}
        self.untyped: list[str] = [name for reader in self._inner.values() for name in reader.untyped]
        """The fields whose values may be of any type, since they are looked for in arrays."""
        self.untyped += [
            name
            for _, step, node in self._nodes
            if step not in self._inner and not isinstance(node, str)
            for name, _ in paths_in(node)
        ]
        self.event = msgspec.defstruct("Event", attributes, rename=names, gc=False)
        self.decode: Callable[[bytes | str], Any] = msgspec.json.Decoder(self.event).decode
        self.blank = self.event()

    def _type(self, step: Any, node: Node) -> Any:
        if step in self._inner:
            return self._inner[step].event | str | None  # the text may hold JSON
        if not isinstance(node, str):
            return Any  # elements of an array are looked for one at a time
        return int | float | str | None if node in (*INTEGER_ALLOWED, "occurred_at") else str | None

    def decoded(self, text: bytes | str, place: int, singly: set[int]) -> Any:
        """Return the object in a text; one that is refused is to be read singly."""
        try:
            return self.decode(text)
        except _REFUSED:
            singly.add(place)
            return self.blank

    def fields(self, events: list[Any], singly: set[int]) -> Iterator[tuple[str, list[Any]]]:
        """Yield the name of every field in the tree, and what each event has there."""
        for place, step, node in self._nodes:
            inner = list(map(attrgetter(f"f{place}"), events))
            if isinstance(node, str):
                yield node, inner
            elif step in self._inner:
                yield from self._inner[step].fields(self._inner[step]._objects(inner, singly), singly)
            else:
                for name, path in paths_in(node):
                    yield name, [value_at(each, path) for each in inner]

    def _objects(self, found: list[Any], singly: set[int]) -> list[Any]:
        if str in set(map(type, found)):
            found = [self.decoded(one, n, singly) if isinstance(one, str) else one for n, one in enumerate(found)]
        return [self.blank if one is None else one for one in found]


def _only(found: list[Any], types: tuple[type, ...], singly: set[int]) -> list[Any]:
    """Return the values; None in place of those of another type, which are to be read singly."""
    if set(map(type, found)) <= {*types, type(None)}:
        return found
    odd = {place for place, one in enumerate(found) if one is not None and type(one) not in types}
    singly |= odd
    return [None if place in odd else one for place, one in enumerate(found)]


def _texts(name: str, found: list[Any], singly: set[int]) -> list[str | None]:
    """Return the values as text; whole numbers as their digits."""
    if name not in INTEGER_ALLOWED or set(map(type, found)) <= {str, type(None)}:
        return found
    texts = [one if isinstance(one, str | None) else whole_number(one) for one in found]
    singly |= {place for place, one in enumerate(found) if one is not None and texts[place] is None}
    return texts


def _column(name: str, texts: dict[str, list[str | None]], moments: timestamps.Longs) -> Any:
    if name == "index":
        return np.arange(moments.size, dtype=np.uint32)
    if name == "ending":
        endings = {kind: None if kind is None else ending_of(kind) for kind in set(texts["kind"])}
        return pl.Series([endings[kind] for kind in texts["kind"]], dtype=pl.UInt8)
    if name == "occurred_at":
        return timestamps.column(moments)
    return pl.Series(texts.get(name, [None] * moments.size), dtype=pl.String)
