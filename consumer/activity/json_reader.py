"""A batch of JSON values to rows: each an object, read by msgspec into no more than the fields that are wanted.

Whatever msgspec stumbles upon is read once more by itself, with the standard library, and named.
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
from consumer.activity.row_reader import NUMBERED, RowReader, Wants
from consumer.activity.rows import Row, Rows, ending_of, rows_of, together

_Values = Sequence[bytes | None]

_AT_HAND = 2_000
"""Values read together: what each becomes in Python is looked at while the processor still has it at hand."""


class JsonReader:
    """Reads batches of JSON objects."""

    def __init__(self, fields: FieldPaths = NATIVE, wants: Wants | None = None) -> None:
        self._fields = fields
        self._tree = fields.tree()
        event = _struct(self._tree)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(event).decode
        self._blank = event()
        self._read_event = RowReader(fields, wants, "unreadable", fields.unit)

    def __call__(self, values: _Values) -> Rows:
        frames: list[pl.DataFrame] = []
        odd: list[int] = []
        for start in range(0, max(1, len(values)), _AT_HAND):
            frame, places = self._side_by_side(values[start : start + _AT_HAND])
            frames.append(frame.with_columns(pl.col("index") + start) if start else frame)
            odd += [start + place for place in places]
        rows = Rows(pl.concat(frames, rechunk=True), [])
        return together(rows, [rows_of(values, odd, self._read_one, self._fields.columns)]) if odd else rows

    def _side_by_side(self, values: _Values) -> tuple[pl.DataFrame, list[int]]:
        """Their rows, and the places of those that must be read alone."""
        events, odd = self._decoded(values)
        found = dict(_lists(self._tree, events))
        moments = timestamps.from_any(found["occurred_at"], self._fields.unit)
        untimely = np.flatnonzero(moments == NO_TIME).tolist()
        odd |= {place for place in untimely if found["occurred_at"][place] is not None}
        frame = pl.DataFrame({name: self._column(name, found, moments) for name in self._fields.columns})
        if not odd:
            return frame, []
        good = np.ones(len(values), np.bool_)
        good[list(odd)] = False
        return frame.filter(good), sorted(odd)

    def _decoded(self, values: _Values) -> tuple[list[Any], set[int]]:
        """An event for each value, and the places of those that must be read alone."""
        events: list[Any] = []
        odd: set[int] = set()
        decoded = map(self._decode, values)  # type: ignore[arg-type] # a null is odd
        while len(events) < len(values):
            try:
                events.extend(decoded)  # up to an odd one: what came before it stays
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError):
                odd.add(len(events))
                events.append(self._blank)
        return events, odd

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
    """A class of objects with what is in the tree, as attributes f0, f1 and so on; null wherever it is missing."""
    attributes = [(f"f{place}", _type(node), None) for place, node in enumerate(tree.values())]
    names = {f"f{place}": name for place, name in enumerate(tree)}
    return msgspec.defstruct("Event", attributes, rename=names, gc=False)


def _type(node: Node) -> Any:
    if not isinstance(node, str):
        return _struct(node) | None
    if node == "occurred_at":
        return int | float | str | None
    return int | str | None if node in NUMBERED else str | None


def _lists(tree: Tree, events: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Every field that the tree leads to: its name, and what each event has there."""
    for place, node in enumerate(tree.values()):
        inner = list(map(attrgetter(f"f{place}"), events))
        if isinstance(node, str):
            yield node, inner
        else:
            yield from _lists(node, [_NOTHING if event is None else event for event in inner])


class _Nothing:
    """Stands where an object could be and is not: whatever it is asked for is missing."""

    def __getattr__(self, name: str) -> None:
        return None


_NOTHING = _Nothing()


def _digits(found: list[Any]) -> list[str | None]:
    """Whole numbers as texts."""
    if int not in set(map(type, found)):
        return found
    return [str(one) if isinstance(one, int) else one for one in found]
