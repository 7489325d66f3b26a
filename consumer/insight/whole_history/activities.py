"""Activities of many people as columns, those of each person and process side by side."""

from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.detect.lapse_rules import Times
from consumer.detect.storage.row_store import Flags, Small
from consumer.insight.return_curve import groups_of

MESSAGE = 255
"""Stands in the place of an ending where a message went out. Greater than any of `records.Ending`."""

RECORD = np.dtype(
    [
        ("low", np.uint64),
        ("high", np.uint64),
        ("occurred_at", np.int64),
        ("written_at", np.int64),
        ("process", np.uint16),
        ("ending", np.uint8),
    ],
    align=True,
)
"""An activity without its texts, in 40 bytes: the user as a hash of 128 bits, the process as a number."""
Records: TypeAlias = npt.NDArray[np.void]
Places: TypeAlias = npt.NDArray[np.int64]
_Columns = TypeVar("_Columns", bound=tuple[Any, ...])


def records_of(frame: pl.DataFrame, known: pl.Enum) -> Records:
    """Return the records of `known` processes. `frame` has user_id, process, ending, occurred_at and written_at.

    Hashes are in memory only: another version of polars may hash otherwise.
    """
    columns = frame.select(
        "ending",
        "occurred_at",
        "written_at",
        process=pl.col("process").cast(known, strict=False).to_physical(),
        low=pl.col("user_id").hash(1),
        high=pl.col("user_id").hash(2),
    )
    if columns["process"].null_count():
        columns = columns.drop_nulls("process")
    records = np.empty(columns.height, RECORD)
    for name in columns.columns:
        records[name] = columns[name].to_numpy()
    return records


class Activities(NamedTuple):
    """Columns of equal length, ordered by user and process.

    `keys` numbers each (user, process) from 0, `users` each user, `groups` is the user's group (`return_curve.GROUPS`),
    `processes` are numbers, `endings` are values of `records.Ending` or `MESSAGE`, times are in ms.
    """

    keys: Places
    users: Places
    groups: Places
    processes: npt.NDArray[np.uint16]
    endings: Small
    occurred_at: Times
    written_at: Times

    @property
    def size(self) -> int:
        return self.keys.size

    @property
    def people(self) -> int:
        return int(firsts(self.users).sum())

    def in_order_of(self, times: Times) -> "Activities":
        """Return them so that within each key these times rise; of equal times the order stays."""
        if ((times[1:] < times[:-1]) & (self.keys[1:] == self.keys[:-1])).any():
            return pick(self, np.lexsort((times, self.keys)))
        return self


def order(records: Records) -> Activities:
    """Return records as columns; those of one user and process stay in their order."""
    users, processes = _number_users(records["low"], records["high"]), records["process"].astype(np.int64)
    # The place as the lowest bits makes a sort of plain numbers a stable one, in a fifth of the time.
    bits = records.size.bit_length()
    keys = users * (int(processes.max(initial=0)) + 1) + processes
    order = np.sort((keys << bits) | np.arange(records.size)) & ((1 << bits) - 1)
    records, users, keys = take(records, order), users[order], keys[order]
    return Activities(
        np.cumsum(firsts(keys)) - 1,
        users,
        groups_of(records["low"]),
        records["process"].copy(),
        records["ending"].copy(),
        records["occurred_at"].copy(),
        records["written_at"].copy(),
    )


def pick(columns: _Columns, which: npt.NDArray[Any]) -> _Columns:
    """Return the rows at these places, or for which this is true, of a named tuple of columns."""
    make: Any = type(columns)
    picked: _Columns = make(*(column[which] for column in columns))
    return picked


def take(records: Records, places: Places) -> Records:
    """Return the records at these places. (As words: numpy copies structures one by one.)"""
    words = records.view(np.int64).reshape(-1, RECORD.itemsize // 8)
    return words.take(places, axis=0).view(RECORD)[:, 0]


def firsts(numbers: npt.NDArray[Any]) -> Flags:
    """Return where another number begins."""
    begins = np.ones(numbers.size, np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=begins[1:])
    return begins


def running_max(values: npt.NDArray[np.int64], segments: Places) -> npt.NDArray[np.int64]:
    """Return the greatest value so far within each segment. `values` are not below 0, `segments` rise from 0."""
    floors = segments * (int(values.max(initial=0)) + 1)  # so that a later segment is always higher
    found: npt.NDArray[np.int64] = np.maximum.accumulate(values + floors) - floors
    return found


def _number_users(low: npt.NDArray[np.uint64], high: npt.NDArray[np.uint64]) -> Places:
    """Return a number for each distinct hash, from 0."""
    order = np.argsort(low)
    begins = firsts(low[order])
    if (~begins[1:] & (high[order][1:] != high[order][:-1])).any():  # two users share 64 bits
        order = np.lexsort((high, low))
        begins = firsts(low[order]) | firsts(high[order])
    numbers = np.empty(low.size, np.int64)
    numbers[order] = np.cumsum(begins) - 1
    return numbers
