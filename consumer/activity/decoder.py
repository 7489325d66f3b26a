"""Decodes batches of bytes from the activity topic into columns that detect can apply, and reports bad values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.activity.errors import ValueProblem
from consumer.activity.event_mapping import EventMapping
from consumer.activity.field_paths import NATIVE, FieldPaths, column_of, source_key
from consumer.activity.record_metadata import (
    NO_METADATA,
    NOTHING_ELSEWHERE,
    Metadata,
    MetadataReader,
    set_aside,
    with_elsewhere,
)
from consumer.activity.rows import SMALL_BATCH_ROWS, BadValue, ReadBatch, RowBatch
from consumer.clock import DAY, HOUR, YEAR_1990, YEAR_2000, Millis

__all__ = ["ActivityDecoder", "BadValue", "Decoded", "recorded_times"]


MAX_USER_ID_BYTES = 255
"""Of a user_id in UTF-8. With MAX_ACTION_CHARS it bounds the size of a row (see PAGE of detect/snapshot.py)."""
MAX_ACTION_CHARS = 128
"""Longer actions are cut."""


def _problems_of(fields: FieldPaths, year: int) -> tuple[ValueProblem, ...]:
    """Return what can be wrong with a record that was read, in order of precedence: it gets the first that applies."""
    user, process, kind, time = map(fields.label, ("user_id", "process", "kind", "occurred_at"))
    has_kind = not fields.labels or "kind" in fields.labels
    needed = f"{kind} or {time} is null: an activity needs both" if has_kind else f"{time} is null: an activity has one"
    return (
        ValueProblem("missing_field", needed),
        ValueProblem("user_id_too_long", f"{user} is longer than {MAX_USER_ID_BYTES} bytes: is it an id at all?"),
        ValueProblem("empty_process", f"{process} is empty: say what the user was doing"),
        ValueProblem("time_before_2000", f"{time} is before the year {year}: is it in another unit than it seems?"),
        ValueProblem(
            "time_in_future", f"{time} and the record's own time are over a day ahead: set the producer's clock"
        ),
    )


_NO_PROBLEMS: Mapping[int, ValueProblem] = {}
_NO_PROBLEM = -1
_BLANK = -2

Times: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded batch. Both `frame` and `bad` are ordered by index, the position in the batch.

    `frame` has index (UInt32), user_id, process (String, not empty), ending (UInt8, a value of `records.Ending`),
    action (String or null), and in ms occurred_at and written_at (Int64): when its record was written. A value that
    concerns several processes has a row for each. `clamped` counts the rows whose occurred_at was too far ahead and was
    set back. `skew` has for each row how far its record was written after the event, in ms; below zero where the event
    lies ahead. `ignored` counts values that concern no process or no user, `blank` those that are null or empty or have
    an empty user. `present` counts, of the `read` events whatever they concern, those in which something lies at each
    configured path, by its key of `source`. Texts share the batch's memory: copy those that are kept for long.
    """

    frame: pl.DataFrame
    bad: list[BadValue]
    clamped: int
    skew: Times
    ignored: int = 0
    blank: int = 0
    read: int = 0
    present: Mapping[str, int] = field(default_factory=dict)


class ActivityDecoder:
    """Reads values with `read` (an AvroReader or a JsonReader), maps events to activities with `mapping` where it is
    given, and validates the rows."""

    def __init__(
        self,
        read: ReadBatch,
        mapping: EventMapping | None = None,
        metadata: MetadataReader | None = None,
        *,
        fields: FieldPaths = NATIVE,
        clock_doubt: Millis = HOUR,
        is_history: bool = False,
    ) -> None:
        """`metadata` reads the fields that are not in values. An event's time may lie up to `clock_doubt` after its
        record's. Of a live topic a time before 2000 is a mistake; an old history may begin with 1990. (Times in a wrong
        unit lie in 1970.)"""
        self._read = read
        self._mapping = mapping
        self._metadata = metadata
        self._problems = _problems_of(fields, 1990 if is_history else 2000)
        self._earliest = YEAR_1990 if is_history else YEAR_2000
        self._paths = {column_of(name): source_key(name) for name in fields.labels or fields.paths}
        self._clock_doubt = clock_doubt
        self.reads_headers = bool(fields.from_headers)
        """Whether `decode` needs the records' headers."""

    def decode(
        self, values: Sequence[bytes | None], timestamps: Times, now: Millis, metadata: Metadata = NO_METADATA
    ) -> Decoded:
        """Decode a batch. `timestamps` are the records' own in ms, as they came (see `recorded_times`).

        Raises RegistryUnavailable where the reader does.
        """
        elsewhere = self._metadata(metadata, timestamps) if self._metadata else NOTHING_ELSEWHERE
        rows = self._read(values, elsewhere.columns)
        if self._metadata:
            rows = with_elsewhere(rows, elsewhere)
        return self.decode_rows(rows, timestamps, now, elsewhere.problems)

    def decode_rows(
        self, rows: RowBatch, timestamps: Times, now: Millis, problems: Mapping[int, ValueProblem] = _NO_PROBLEMS
    ) -> Decoded:
        """Map and validate rows that were read, but for those whose metadata has problems."""
        read, present = rows.frame.height, _presence(rows.frame, self._paths)
        rows = set_aside(self._mapping(rows) if self._mapping else rows, problems)
        return Decoded(*self._validate(rows, timestamps, now), read, present)

    def set_back(self, occurred: Times, recorded: Times, now: Millis) -> Times:
        """Return when events can have happened at the latest: not after `now`, nor long after their record."""
        return np.minimum(occurred, np.minimum(recorded + self._clock_doubt, now))

    def are_possible(self, occurred: Times, recorded: Times, now: Millis) -> npt.NDArray[np.bool_]:
        """Return which times of events, and of their records, are no mistake."""
        return ~(_is_too_early(occurred, self._earliest) | _is_too_late(occurred, recorded, now))

    def _validate(
        self, rows: RowBatch, timestamps: Times, now: Millis
    ) -> tuple[pl.DataFrame, list[BadValue], int, Times, int, int]:
        """Set back times that are too far ahead, cut long actions, and separate bad rows. Return the first fields of
        Decoded."""
        frame = rows.frame
        if frame.is_empty():
            nothing = frame.with_columns(pl.lit(None, pl.Int64).alias("written_at"))
            return nothing, _in_order(rows.bad), 0, np.empty(0, np.int64), rows.ignored, rows.blank
        recorded = recorded_times(timestamps, now)[frame["index"].to_numpy()]
        occurred = _filled(frame["occurred_at"], now)
        written = np.minimum(recorded, now)
        clamped = self.set_back(occurred, recorded, now)
        ahead = occurred > clamped
        frame = frame.hstack([pl.Series("written_at", written)])
        if ahead.any():
            frame = frame.with_columns(pl.Series("occurred_at", clamped))
        if _max_bytes(frame["action"]) > MAX_ACTION_CHARS:
            frame = frame.with_columns(pl.col("action").str.head(MAX_ACTION_CHARS))
        times = _is_too_early(occurred, self._earliest), _is_too_late(occurred, recorded, now)
        problems = _problems(rows.frame, *times)
        good = problems == _NO_PROBLEM
        if good.all():
            return frame, _in_order(rows.bad), int(ahead.sum()), recorded - occurred, rows.ignored, rows.blank
        # A value with several rows is bad, or blank, once.
        places = dict(zip(frame["index"].filter(~good), problems[~good].tolist(), strict=True))
        judged = [BadValue(index, *self._problems[place]) for index, place in places.items() if place != _BLANK]
        blank = rows.blank + sum(place == _BLANK for place in places.values())
        bad = _in_order(rows.bad + judged)
        clamped_rows, skew = int((ahead & good).sum()), (recorded - occurred)[good]
        return frame.filter(good), bad, clamped_rows, skew, rows.ignored, blank


def recorded_times(timestamps: Times, now: Millis) -> Times:
    """Return when records were written (ms), by their own timestamps. One that is not known (-1, or before 2000) counts
    as `now`; none lies further ahead than what is a mistake (a day), so that sums with it cannot overflow."""
    return np.where(timestamps < YEAR_2000, now, np.minimum(timestamps, now + DAY + 1))


def _presence(frame: pl.DataFrame, paths: Mapping[str, str]) -> dict[str, int]:
    """Return in how many rows something lies at each path. `paths` are the keys of `source` by the columns' names."""
    return {key: frame.height - frame.get_column(name).null_count() for name, key in paths.items()}


def _in_order(bad: list[BadValue]) -> list[BadValue]:
    return sorted(bad, key=lambda one: one.index)


def _is_too_early(occurred: Times, earliest: Millis) -> npt.NDArray[np.bool_]:
    return occurred < earliest


def _is_too_late(occurred: Times, recorded: Times, now: Millis) -> npt.NDArray[np.bool_]:
    return np.minimum(occurred, recorded) > now + DAY


def _problems(
    frame: pl.DataFrame, too_early: npt.NDArray[np.bool_], too_late: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int8]:
    """Return each row's first problem, by its index in `_problems_of`, _BLANK without a user, or _NO_PROBLEM."""
    applies = [
        _absent(frame["ending"]) | _absent(frame["occurred_at"]),
        _too_long(frame["user_id"]),
        _filled(frame["process"] == "", True),
        too_early,
        too_late,
    ]
    found = np.full(frame.height, _NO_PROBLEM, np.int8)
    for place in reversed(range(len(applies))):
        found[applies[place]] = place
    found[_filled(frame["user_id"] == "", True)] = _BLANK
    return found


def _too_long(users: pl.Series) -> npt.NDArray[np.bool_]:
    if _max_bytes(users) <= MAX_USER_ID_BYTES:
        return np.zeros(len(users), np.bool_)
    return _filled(users.str.len_bytes() > MAX_USER_ID_BYTES, False)  # type: ignore[no-any-return]


def _max_bytes(texts: pl.Series) -> int:
    """Return the bytes of the longest text; of small batches an upper bound, four bytes for each character."""
    if len(texts) <= SMALL_BATCH_ROWS:
        return 4 * max(map(len, filter(None, texts.to_list())), default=0)
    return texts.str.len_bytes().max() or 0  # type: ignore[return-value]


def _absent(column: pl.Series) -> npt.NDArray[np.bool_]:
    return column.is_null().to_numpy() if column.null_count() else np.zeros(column.len(), np.bool_)


def _filled(column: pl.Series, value: Any) -> Any:
    """Return the column as an array with `value` in place of nulls."""
    return (column.fill_null(value) if column.null_count() else column).to_numpy()
