"""A walk's findings as the columns of an activity: which field is noted how, and what it means."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from consumer.activity.rows import CLOSING, closes
from consumer.activity.walk import ABSENT, Cursor, Flags, Leaf, Longs, Sheet, Verdict, Walk, type_of

REQUIRED = ("user_id", "process", "kind", "occurred_at")

_TEXTS = ("user_id", "process", "action", "kind")  # kind only where it is written as a string
_UNITS = {None: 1, "timestamp-millis": 1, "timestamp-micros": 1_000, "timestamp-nanos": 1_000_000}


def blank_sheet(count: int) -> Sheet:
    return Sheet(count, _TEXTS, ("closes", "occurred_at"))


def text(name: str) -> Leaf:
    """Notes where a text is. Bytes are read as UTF-8, as Avro's resolution has it."""

    def walk(at: Cursor) -> None:
        start, length = at.skip(at.long())
        at.sheet.starts[name][at.rows] = start
        at.sheet.lengths[name][at.rows] = length

    return lambda schema: walk if type_of(schema) in ("string", "bytes") else None


def kind(schema: Any) -> Walk | None:
    """Notes whether it closes the process; a string is noted as a text, to be looked at later."""
    if type_of(schema) != "enum":
        return text("kind")(schema)
    if not schema["symbols"]:
        return None
    meanings = np.array([closes(symbol) for symbol in schema["symbols"]], np.int64)

    def walk(at: Cursor) -> None:
        symbol = at.long()
        wrong = (symbol < 0) | (symbol >= meanings.size)
        at.sheet.numbers["closes"][at.rows] = meanings[np.where(wrong, 0, symbol)]
        at.fail(wrong)

    return walk


def time(schema: Any) -> Walk | None:
    """Notes a time in whole milliseconds."""
    unit = unit_of(schema)
    if unit is None:
        return None

    def walk(at: Cursor) -> None:
        at.sheet.numbers["occurred_at"][at.rows] = at.long() // unit

    return walk


def unit_of(schema: Any) -> int | None:
    """How many of a time's units make a millisecond, or None where it is no moment in UTC."""
    if type_of(schema) not in ("long", "int"):
        return None
    return _UNITS.get(schema.get("logicalType") if isinstance(schema, dict) else None)


LEAVES: dict[str, Leaf] = {
    "user_id": text("user_id"),
    "process": text("process"),
    "kind": kind,
    "action": text("action"),
    "occurred_at": time,
}


def frame_of(values: Sequence[bytes | None], starts: Longs, sheet: Sheet) -> pl.DataFrame:
    """The rows of a sheet whose verdict is fine. A text that is no UTF-8 makes its record unreadable.

    Small batches come often, so what follows calls few of polars' expressions: each costs 0.1 ms, however few rows.
    """
    texts = _texts(values, starts, sheet)
    columns = {
        "index": pl.Series(np.arange(len(values), dtype=np.uint32)),
        "user_id": texts["user_id"],
        "process": texts["process"],
        "closes": _closes(sheet, texts),
        "action": texts["action"],
        "occurred_at": _nullable(sheet.numbers["occurred_at"], sheet.numbers["occurred_at"] == ABSENT),
    }
    frame = pl.DataFrame(columns)
    return frame if not sheet.verdict.any() else frame.filter(pl.Series(sheet.verdict == Verdict.FINE))


def _texts(values: Sequence[bytes | None], starts: Longs, sheet: Sheet) -> dict[str, pl.Series]:
    parts = _slices(values, starts, sheet)
    texts = {}
    for part in parts:
        texts[part.name] = text = _decoded(part)
        if text.null_count() > part.null_count():
            sheet.verdict[(text.is_null() & part.is_not_null()).to_numpy()] = Verdict.UNREADABLE
    return texts


def _slices(values: Sequence[bytes | None], starts: Longs, sheet: Sheet) -> list[pl.Series]:
    """The bytes of each text; null where a record has none, or is not fine."""
    columns = {"value": pl.Series(values, dtype=pl.Binary)}
    unfit = sheet.verdict != Verdict.FINE
    for name in _TEXTS:
        absent = (sheet.starts[name] < 0) | unfit
        if name == "kind" and absent.all():
            continue
        columns[name] = _nullable(sheet.starts[name] - starts, absent)  # without a start there is no slice
        columns[f"{name} length"] = pl.Series(sheet.lengths[name])
    return (
        pl.DataFrame(columns)
        .select(
            pl.col("value").bin.slice(pl.col(name), pl.col(f"{name} length")).alias(name)
            for name in _TEXTS
            if name in columns
        )
        .get_columns()
    )


def _decoded(parts: pl.Series) -> pl.Series:
    """As texts; null where a part is no UTF-8."""
    try:
        return parts.cast(pl.String)
    except pl.exceptions.ComputeError:  # it says only that there is one, so look at each
        return pl.Series([part if part is None else _utf8(part) for part in parts], dtype=pl.String)


def _utf8(part: bytes) -> str | None:
    try:
        return part.decode()
    except UnicodeDecodeError:
        return None


def _closes(sheet: Sheet, texts: dict[str, pl.Series]) -> pl.Series:
    noted = sheet.numbers["closes"]
    closes = _nullable(noted == 1, noted == ABSENT)
    if "kind" not in texts:
        return closes
    written = texts["kind"].str.to_uppercase()
    return written.is_in(list(CLOSING)).zip_with(written.is_not_null(), closes)


def _nullable(found: Longs | Flags, absent: Flags) -> pl.Series:
    column = pl.Series(found)
    return column.set(pl.Series(absent), None) if absent.any() else column
