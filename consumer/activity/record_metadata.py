"""Reads the fields of an event that are not in its value: in the record's key, its headers, or its timestamp."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.activity.errors import BadRecord, ValueProblem
from consumer.activity.event_values import parsed
from consumer.activity.field_paths import FieldPaths, column_of
from consumer.activity.row_reader import PlainValues
from consumer.activity.rows import BadValue, ReadBatch, RowBatch, ending_of
from consumer.activity.schemas.framing import has_header
from consumer.clock import YEAR_2000

Headers: TypeAlias = Sequence[tuple[str, bytes | None]] | None

_TYPES: Mapping[str, Any] = {"occurred_at": pl.Int64, "ending": pl.UInt8}
_NO_TEXT = b"\xff"
"""Is refused: it is no UTF-8."""
_UNREADABLE_USER = "?"
"""Stands for the user of an event until its problem is told: one without any user would not be an activity."""


class Metadata(NamedTuple):
    """What the records of a batch have besides their values; empty where no path leads there."""

    keys: Sequence[bytes | None] = ()
    headers: Sequence[Headers] = ()


class Elsewhere(NamedTuple):
    """The fields of a batch that are not in the values, one for each record, and the records in which they are bad."""

    columns: Mapping[str, Sequence[Any]]
    problems: Mapping[int, ValueProblem]


NO_METADATA = Metadata()
NOTHING_ELSEWHERE = Elsewhere({}, {})


class MetadataReader:
    """Reads the fields that are in keys, headers and timestamps.

    `read_keys` reads what lies within keys, and keys with a schema's header where a field is all of the key.
    """

    def __init__(self, fields: FieldPaths, read_keys: ReadBatch) -> None:
        self._fields = fields
        self._read_keys = read_keys
        self._values = PlainValues(fields, "unreadable")

    def __call__(self, metadata: Metadata, timestamps: npt.NDArray[np.int64]) -> Elsewhere:
        columns: dict[str, list[Any]] = {}
        problems: dict[int, ValueProblem] = {}
        for name, header in self._fields.from_headers.items():
            columns[name] = self._read(name, [_last(found, header) for found in metadata.headers], problems)
        for name, path in self._fields.from_key.items():
            if not path:
                columns[name] = self._whole_keys(name, metadata.keys, problems)
        if within := [column_of(name) for name, path in self._fields.from_key.items() if path]:
            columns |= self._within_keys(within, metadata.keys, problems)
        for name in self._fields.from_timestamp:
            columns[name] = [moment if moment >= YEAR_2000 else None for moment in timestamps.tolist()]
        return Elsewhere(columns, problems)

    def _read(self, name: str, found: Sequence[object], problems: dict[int, ValueProblem]) -> list[Any]:
        column: list[Any] = []
        for index, value in enumerate(found):
            try:
                column.append(self._values.field(name, value))
            except BadRecord as problem:
                problems[index] = ValueProblem(problem.reason, problem.error)
                column.append(_UNREADABLE_USER if name == "user_id" else None)
        return column

    def _whole_keys(self, name: str, keys: Sequence[bytes | None], problems: dict[int, ValueProblem]) -> list[Any]:
        """Return keys as text. What has a schema is read by it: the bytes of a number may be the digits of another."""
        framed = [key if key and has_header(key) else None for key in keys]
        found = self._read(name, [None if key else _plain_key(keys[n]) for n, key in enumerate(framed)], problems)
        if not any(framed):
            return found
        [read] = self._within_keys([name], framed, problems).values()
        return [read[index] if key else found[index] for index, key in enumerate(framed)]

    def _within_keys(
        self, names: Sequence[str], keys: Sequence[bytes | None], problems: dict[int, ValueProblem]
    ) -> dict[str, list[Any]]:
        """Return these columns of what lies within keys."""
        rows = self._read_keys(keys, {})
        columns: dict[str, list[Any]] = {name: [None] * len(keys) for name in names}
        index = rows.frame["index"].to_list()
        for name, column in columns.items():
            for place, value in zip(index, rows.frame[name].to_list(), strict=True):
                column[place] = value
        for bad in rows.bad:
            problems[bad.index] = ValueProblem(bad.reason, f"the record's key: {bad.error}")
            if "user_id" in columns:
                columns["user_id"][bad.index] = _UNREADABLE_USER
        return columns


def _last(headers: Headers, name: str) -> bytes | None:
    """Return the last header of this name, as Kafka's own clients do."""
    return next((value for key, value in reversed(headers or ()) if key == name), None)


def _plain_key(key: bytes | None) -> object:
    """Return a key without a schema: as text, or as the JSON value that it is, other than a bare word."""
    if not key:
        return None
    if b"\0" in key:
        return _NO_TEXT  # a number in four or eight bytes, as Kafka's own serializers write it
    found = parsed(key) if key[:1] in b'"{[' else None
    return key if found is None else found


def with_elsewhere(rows: RowBatch, elsewhere: Elsewhere) -> RowBatch:
    """Return rows with the fields that are not in values."""
    index = rows.frame["index"].to_list()
    columns = []
    for name, found in elsewhere.columns.items():
        column = [found[place] for place in index]
        if name == "kind":
            endings = [None if kind is None else ending_of(kind) for kind in column]
            columns.append(pl.Series("ending", endings, dtype=pl.UInt8))
        else:
            columns.append(pl.Series(name, column, dtype=_TYPES.get(name, pl.String)))
    return RowBatch(rows.frame.with_columns(columns), rows.bad, rows.ignored, rows.blank)


def set_aside(rows: RowBatch, problems: Mapping[int, ValueProblem]) -> RowBatch:
    """Return rows without those whose metadata is bad."""
    if not problems:
        return rows
    bad = [BadValue(index, *problems[index]) for index in rows.frame["index"].unique().to_list() if index in problems]
    good = ~rows.frame["index"].is_in(list(problems))
    return RowBatch(rows.frame.filter(good), rows.bad + bad, rows.ignored, rows.blank)
