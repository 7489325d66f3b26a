"""Reads the fields of an event that are not in its value: in the record's key, its headers, or its timestamp."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.activity.errors import BadRecord, ValueProblem
from consumer.activity.event_values import parsed
from consumer.activity.field_paths import FieldPaths
from consumer.activity.row_reader import PlainValues
from consumer.activity.rows import BadValue, ReadBatch, RowBatch, ending_of
from consumer.activity.schemas.framing import text_of_key
from consumer.clock import YEAR_2000

Headers: TypeAlias = Sequence[tuple[str, bytes | None]] | None

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
    """Reads the fields that are in keys, headers and timestamps; `read_keys` reads what lies within keys."""

    def __init__(self, fields: FieldPaths, read_keys: ReadBatch | None = None) -> None:
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
                columns[name] = self._read(name, [_plain_key(key) for key in metadata.keys], problems)
        if self._read_keys:
            columns |= self._within_keys(self._read_keys(metadata.keys, {}), len(metadata.keys), problems)
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

    def _within_keys(self, rows: RowBatch, count: int, problems: dict[int, ValueProblem]) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {name: [None] * count for name in rows.frame.columns if name != "index"}
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
    """Return a key as text: plain, as an Avro string, or as a JSON string or number."""
    if not key:
        return None
    text = text_of_key(key)
    if text is None:
        return b"\xff"  # is refused as no text
    if text[:1] == '"':
        found = parsed(text)
        return found if isinstance(found, str) else text
    return text


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
            columns.append(pl.Series(name, column, dtype=pl.Int64 if name == "occurred_at" else pl.String))
    return RowBatch(rows.frame.with_columns(columns), rows.bad, rows.ignored, rows.blank)


def set_aside(rows: RowBatch, problems: Mapping[int, ValueProblem]) -> RowBatch:
    """Return rows without those whose metadata is bad."""
    if not problems:
        return rows
    bad = [BadValue(index, *problems[index]) for index in rows.frame["index"].unique().to_list() if index in problems]
    good = ~rows.frame["index"].is_in(list(problems))
    return RowBatch(rows.frame.filter(good), rows.bad + bad, rows.ignored, rows.blank)
