"""Batches of bytes from the activity topic to columns that detect can apply, and what cannot be used, with reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.activity.errors import ValueProblem
from consumer.activity.event_mapping import EventMapping
from consumer.activity.rows import SMALL, BadValue, Read, Rows
from consumer.clock import DAY, Millis

__all__ = ["ActivityDecoder", "BadValue", "Decoded"]

YEAR_2000: Millis = 946_684_800_000

LONGEST_USER = 255
"""Bytes of a user_id in UTF-8; with LONGEST_ACTION it bounds what state takes (see PAGE of detect/snapshot.py)."""
LONGEST_ACTION = 128
"""Characters of an action; what is longer is cut."""

# In the order in which they are judged: a record has the first that applies.
_PROBLEMS = (
    ValueProblem("missing_field", "kind or occurred_at is null: an activity needs both"),
    ValueProblem("empty_user_id", "user_id is empty: nobody can be reminded"),
    ValueProblem("user_id_too_long", f"user_id is longer than {LONGEST_USER} bytes: is it an id at all?"),
    ValueProblem("empty_process", "process is empty: say what the user was doing"),
    ValueProblem("time_before_2000", "occurred_at is before the year 2000: is it in seconds instead of milliseconds?"),
    ValueProblem(
        "time_in_future", "occurred_at and the record's own time are over a day ahead: set the producer's clock"
    ),
)

_NONE = -1

Times: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A batch, read and judged. Both `frame` and `bad` are ordered by index, the position in the batch.

    `frame` has index (UInt32), user_id, process (String, not empty), ending (UInt8: how it ends the process, a
    value of `records.Ending`), action (String or null) and occurred_at (Int64, milliseconds, not later than the record's own timestamp).
    `clamped` counts the rows of `frame` whose time was later than that and was set back to it. `ignored` counts
    values that concern no process, or nobody: a platform's own events that nothing is to be learned from; a value
    that concerns several processes has a row for each. Texts share the batch's memory: whoever keeps a few of them
    should copy them.
    """

    frame: pl.DataFrame
    bad: list[BadValue]
    clamped: int
    ignored: int = 0


class ActivityDecoder:
    """Reads with `read` (an AvroReader or a JsonReader), makes activities of events that have `meanings`, and judges
    the rows."""

    def __init__(self, read: Read, meanings: EventMapping | None = None) -> None:
        self._read = read
        self._meanings = meanings

    def decode(self, values: Sequence[bytes | None], timestamps: Times, now: Millis) -> Decoded:
        """`timestamps` are the records' own, milliseconds; one that is not known (-1) counts as `now`.

        Raises RegistryUnavailable where the read does.
        """
        rows = self._read(values)
        return judge(self._meanings(rows) if self._meanings else rows, timestamps, now)


def judge(rows: Rows, timestamps: Times, now: Millis) -> Decoded:
    """Sets times back to their records' own, cuts long actions, and takes out what cannot be meant."""
    frame = rows.frame
    recorded = timestamps[frame["index"].to_numpy()]
    recorded = np.where(recorded < YEAR_2000, now, recorded)
    occurred = _filled(frame["occurred_at"], now)
    settled = np.minimum(occurred, recorded)
    late = occurred > settled
    if late.any():
        frame = frame.with_columns(pl.Series("occurred_at", settled))
    if _longest(frame["action"]) > LONGEST_ACTION:
        frame = frame.with_columns(pl.col("action").str.head(LONGEST_ACTION))
    problems = _problems(rows.frame, occurred, settled, now)
    good = problems == _NONE
    if good.all():
        return Decoded(frame, _in_order(rows.bad), int(late.sum()), rows.ignored)
    # (A value with several rows is bad once.)
    places = dict(zip(frame["index"].filter(~good), problems[~good].tolist(), strict=True))
    judged = [BadValue(index, *_PROBLEMS[place]) for index, place in places.items()]
    return Decoded(frame.filter(good), _in_order(rows.bad + judged), int((late & good).sum()), rows.ignored)


def _in_order(bad: list[BadValue]) -> list[BadValue]:
    return sorted(bad, key=lambda one: one.index)


def _problems(frame: pl.DataFrame, occurred: Times, settled: Times, now: Millis) -> npt.NDArray[np.int8]:
    """For each row the place in _PROBLEMS of the first that applies, or _NONE."""
    applies = [
        _absent(frame["ending"]) | _absent(frame["occurred_at"]),
        _filled(frame["user_id"] == "", True),
        _too_long(frame["user_id"]),
        _filled(frame["process"] == "", True),
        occurred < YEAR_2000,
        settled > now + DAY,
    ]
    found = np.full(frame.height, _NONE, np.int8)
    for place in reversed(range(len(applies))):
        found[applies[place]] = place
    return found


def _too_long(users: pl.Series) -> npt.NDArray[np.bool_]:
    if _longest(users) <= LONGEST_USER:
        return np.zeros(len(users), np.bool_)
    return _filled(users.str.len_bytes() > LONGEST_USER, False)  # type: ignore[no-any-return]


def _longest(texts: pl.Series) -> int:
    """Bytes of the longest of these; of few, four for each character, as many as there can be."""
    if len(texts) <= SMALL:
        return 4 * max(map(len, filter(None, texts.to_list())), default=0)
    return texts.str.len_bytes().max() or 0  # type: ignore[return-value]


def _absent(column: pl.Series) -> npt.NDArray[np.bool_]:
    return column.is_null().to_numpy() if column.null_count() else np.zeros(column.len(), np.bool_)


def _filled(column: pl.Series, value: Any) -> Any:
    """As an array, with this in place of nulls."""
    return (column.fill_null(value) if column.null_count() else column).to_numpy()
