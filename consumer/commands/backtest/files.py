"""Reads histories from files: Parquet, CSV, JSON Lines and Avro, through the configured paths of `source`.

Every row becomes a JSON object, which goes through the same reader and the same mapping as the topic's events.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from consumer.activity.decoder import ActivityDecoder, Decoded
from consumer.clock import Millis
from consumer.commands.terminal.exit_codes import CommandFailed

_ROWS = 50_000
_READERS = {
    ".parquet": pl.read_parquet,
    ".csv": lambda path: pl.read_csv(path, infer_schema_length=10_000),
    ".avro": pl.read_avro,
}
_LINES = {".jsonl", ".ndjson", ".json"}


def read_files(paths: list[Path], decoder: ActivityDecoder, now: Millis) -> Iterator[Decoded]:
    """Yield what the files hold, decoded, a batch at a time. An event counts as written when it happened.

    Raises CommandFailed for a file that is missing, of an unknown kind, or damaged.
    """
    for path in paths:
        for values in _batches(path):
            unknown = np.full(len(values), -1, np.int64)
            yield decoder.decode(values, unknown, now)


def _batches(path: Path) -> Iterator[list[bytes | None]]:
    suffix = path.suffix.lower()
    if suffix not in _LINES and suffix not in _READERS:
        known = ", ".join(sorted([*_LINES, *_READERS]))
        raise CommandFailed(f"{path}: what kind of file is it? Its name should end in one of {known}")
    try:
        yield from _lines(path) if suffix in _LINES else _rows(_READERS[suffix](path))
    except OSError as problem:
        raise CommandFailed(f"{path}: it cannot be read: {problem.strerror or type(problem).__name__}") from None
    except pl.exceptions.PolarsError as problem:
        raise CommandFailed(f"{path}: it is no readable {suffix} file: {str(problem).splitlines()[0]}") from None


def _lines(path: Path) -> Iterator[list[bytes | None]]:
    batch: list[bytes | None] = []
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                batch.append(line)
            if len(batch) >= _ROWS:
                yield batch
                batch = []
    if batch:
        yield batch


def _rows(table: pl.DataFrame) -> Iterator[list[bytes | None]]:
    """Yield the rows as JSON. Moments with a zone become milliseconds; a dotted column is a nested field."""
    zoned = [name for name, kind in table.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone]
    naive = [name for name, kind in table.schema.items() if isinstance(kind, pl.Datetime) and not kind.time_zone]
    table = table.with_columns(
        *(pl.col(name).dt.epoch("ms") for name in zoned),
        *(pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.3f") for name in naive),
    )
    table = _nested(table)
    for part in table.iter_slices(_ROWS):
        yield list(part.write_ndjson().encode().splitlines())


def _nested(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table with columns `a.b` and `a.c` as fields of `a`."""
    groups: dict[str, list[str]] = {}
    for name in table.columns:
        if "." in name.strip("."):
            groups.setdefault(name.split(".", 1)[0], []).append(name)
    for outer, names in groups.items():
        inner = _nested(table.select(pl.col(name).alias(name.split(".", 1)[1]) for name in names))
        table = table.drop(names).with_columns(inner.to_struct(outer))
    return table
