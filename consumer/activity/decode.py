"""Batches of bytes from the activity topic to columns that detect can apply, and what cannot be used, with reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.activity.errors import Problem
from consumer.activity.rows import Bad, Read, Rows
from consumer.clock import DAY, Millis

__all__ = ["ActivityDecoder", "Bad", "Decoded"]

YEAR_2000: Millis = 946_684_800_000

# In the order in which they are judged: a record has the first that applies.
_PROBLEMS = (
    Problem("missing_field", "kind or occurred_at is null: an activity needs both"),
    Problem("empty_user_id", "user_id is empty: nobody can be reminded"),
    Problem("empty_process", "process is empty: say what the user was doing"),
    Problem("time_before_2000", "occurred_at is before the year 2000: is it in seconds instead of milliseconds?"),
    Problem("time_in_future", "occurred_at and the record's own time are over a day ahead: set the producer's clock"),
)

_NONE = -1

Times: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A batch, read and judged. Both `frame` and `bad` are ordered by index, the position in the batch.

    `frame` has index (UInt32), user_id, process (String, not empty), closes (Boolean: completed or cancelled),
    action (String or null) and occurred_at (Int64, milliseconds, not later than the record's own timestamp).
    `clamped` counts the rows of `frame` whose time was later than that and was set back to it. Its texts share the
    batch's memory: whoever keeps a few of them should copy them.
    """

    frame: pl.DataFrame
    bad: list[Bad]
    clamped: int


class ActivityDecoder:
    """Reads with `read` (an AvroReader, or `read_json`) and judges the rows."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def decode(self, values: Sequence[bytes | None], timestamps: Times, now: Millis) -> Decoded:
        """`timestamps` are the records' own, milliseconds; one that is not known (-1) counts as `now`.

        Raises RegistryUnavailable where the read does.
        """
        return judge(self._read(values), timestamps, now)


def judge(rows: Rows, timestamps: Times, now: Millis) -> Decoded:
    """Sets times back to their records' own and takes out what cannot be meant."""
    frame = rows.frame
    recorded = timestamps[frame["index"].to_numpy()]
    recorded = np.where(recorded < YEAR_2000, now, recorded)
    occurred = _filled(frame["occurred_at"], now)
    settled = np.minimum(occurred, recorded)
    late = occurred > settled
    if late.any():
        frame = frame.with_columns(pl.Series("occurred_at", settled))
    problems = _problems(rows.frame, occurred, settled, now)
    good = problems == _NONE
    if good.all():
        return Decoded(frame, sorted(rows.bad, key=lambda bad: bad.index), int(late.sum()))
    judged = [Bad(i, *_PROBLEMS[p]) for i, p in zip(frame["index"].filter(~good), problems[~good], strict=True)]
    bad = sorted(rows.bad + judged, key=lambda bad: bad.index)
    return Decoded(frame.filter(good), bad, int((late & good).sum()))


def _problems(frame: pl.DataFrame, occurred: Times, settled: Times, now: Millis) -> npt.NDArray[np.int8]:
    """For each row the place in _PROBLEMS of the first that applies, or _NONE."""
    applies = [
        _absent(frame["closes"]) | _absent(frame["occurred_at"]),
        _filled(frame["user_id"] == "", True),
        _filled(frame["process"] == "", True),
        occurred < YEAR_2000,
        settled > now + DAY,
    ]
    found = np.full(frame.height, _NONE, np.int8)
    for place in reversed(range(len(applies))):
        found[applies[place]] = place
    return found


def _absent(column: pl.Series) -> npt.NDArray[np.bool_]:
    return column.is_null().to_numpy() if column.null_count() else np.zeros(column.len(), np.bool_)


def _filled(column: pl.Series, value: Any) -> Any:
    """As an array, with this in place of nulls."""
    return (column.fill_null(value) if column.null_count() else column).to_numpy()
