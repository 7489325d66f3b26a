"""Turns a decoded field sheet into the columns of activities."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from consumer.activity.avro.cursor import ABSENT, Bytes, FieldSheet, Flags, Longs, Verdict
from consumer.activity.field_paths import FieldPaths
from consumer.activity.rows import SMALL_BATCH_ROWS, ending_of, symbols_at
from consumer.activity.times import timestamps
from consumer.activity.times.iso8601 import NO_TIME
from consumer.byte_columns.slices import ByteSpans, slice_bytes


def frame_of(joined: bytes, sheet: FieldSheet, fields: FieldPaths, symbols: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a sheet whose verdict is OK; `joined` are the bytes that were decoded.

    A text that is not UTF-8, and a time in an unknown form, make their record be read singly, where it is judged.
    """
    rows = np.flatnonzero(sheet.verdict == Verdict.OK)
    if not rows.size:
        return pl.DataFrame(schema=fields.columns)
    some = sheet if rows.size == sheet.verdict.size else sheet.take(rows)
    sliced = _sliced(joined, some)
    names = [name for name in fields.columns if name != "index"]
    columns = {name: _column(name, joined, some, sliced, symbols, fields) for name in names}
    frame = pl.DataFrame({"index": rows.astype(np.uint32)} | columns)
    sheet.verdict[rows] = some.verdict
    return frame if not some.verdict.any() else frame.filter(pl.Series(some.verdict == Verdict.OK))


def _sliced(joined: bytes, sheet: FieldSheet) -> dict[str, pl.Series]:
    """Return the texts stored as start and length; null where a record has none."""
    spots = {name: (start, sheet.lengths[name]) for name, start in sheet.starts.items()}
    parts = _cut_small(joined, spots) if sheet.verdict.size <= SMALL_BATCH_ROWS else slice_bytes(joined, spots)
    texts = {}
    for name, part in parts.items():
        texts[name] = text = _decoded(part)
        if text.null_count() > part.null_count():
            sheet.verdict[(text.is_null() & part.is_not_null()).to_numpy()] = Verdict.SINGLY
    return texts


def _cut_small(joined: bytes, spots: Mapping[str, ByteSpans]) -> dict[str, pl.Series]:
    return {
        name: pl.Series(
            [
                None if start < 0 else joined[start : start + length]
                for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
            ],
            dtype=pl.Binary,
        )
        for name, (starts, lengths) in spots.items()
    }


def _decoded(parts: pl.Series) -> pl.Series:
    """Return the parts as text; null where a part is not UTF-8."""
    try:
        return parts.cast(pl.String)
    except pl.exceptions.ComputeError:  # it does not say which part is wrong, so look at each
        return pl.Series([part if part is None else _utf8(part) for part in parts], dtype=pl.String)


def _utf8(part: bytes) -> str | None:
    try:
        return part.decode()
    except UnicodeDecodeError:
        return None


def _column(
    name: str,
    joined: bytes,
    sheet: FieldSheet,
    sliced: Mapping[str, pl.Series],
    symbols: Sequence[str],
    fields: FieldPaths,
) -> pl.Series:
    if name == "ending":
        return _endings(sheet, sliced.get("kind"))
    if name == "occurred_at":
        return _times(sheet, sliced.get(name), fields.times)
    found = [sliced[name]] if name in sliced else []
    if name in sheet.uuids:
        found.append(_uuids(joined, sheet, name))
    return _texts(name, sheet, found, symbols)


def _texts(name: str, sheet: FieldSheet, found: list[pl.Series], symbols: Sequence[str]) -> pl.Series:
    """Return a field as text, whether it was stored as text, as a symbol or as a whole number."""
    if name in sheet.symbols:
        found.append(symbols_at(sheet.symbols[name], symbols))
    if name in sheet.numbers:
        found.append(_numbers(sheet, name).cast(pl.String))
    if not found:
        return pl.Series([None], dtype=pl.String).new_from_index(0, sheet.verdict.size)
    first, *others = found
    for other in others:
        first = first.zip_with(first.is_not_null(), other)
    return first


def _uuids(joined: bytes, sheet: FieldSheet, name: str) -> pl.Series:
    starts = sheet.uuids[name]
    found = slice_bytes(joined, {name: (starts, np.full(starts.size, 16))})[name].bin.encode("hex")
    return found.str.replace(r"^(.{8})(.{4})(.{4})(.{4})(.{12})$", "${1}-${2}-${3}-${4}-${5}")


def _times(sheet: FieldSheet, written: pl.Series | None, form: timestamps.TimeForm) -> pl.Series:
    noted = sheet.numbers.get("occurred_at", np.full(sheet.verdict.size, ABSENT))
    if written is not None:
        read = timestamps.from_texts(written.to_list(), form)
        odd = (read == NO_TIME) & written.is_not_null().to_numpy()
        sheet.verdict[odd & (sheet.verdict == Verdict.OK)] = Verdict.SINGLY
        noted = np.where(noted == ABSENT, read, noted)
    return timestamps.column(noted)


def _endings(sheet: FieldSheet, kinds: pl.Series | None) -> pl.Series:
    noted = sheet.numbers.get("ending", np.full(sheet.verdict.size, ABSENT))
    known = _nullable(noted.astype(np.uint8), noted == ABSENT)
    if kinds is None:
        return known
    distinct = kinds.unique().drop_nulls()
    endings = [ending_of(kind) for kind in distinct]
    written = kinds.replace_strict(distinct, endings, default=None, return_dtype=pl.UInt8)
    return written.zip_with(written.is_not_null(), known)


def _numbers(sheet: FieldSheet, name: str) -> pl.Series:
    return _nullable(sheet.numbers[name], sheet.numbers[name] == ABSENT)


def _nullable(found: Longs | Bytes, absent: Flags) -> pl.Series:
    column = pl.Series(found)
    return column.set(pl.Series(absent), None) if absent.any() else column
