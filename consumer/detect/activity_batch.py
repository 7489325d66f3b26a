"""Activities as tables take them. What is the same for all partitions of a poll is worked out once, for all of them:
most of polars' expressions cost 0.05 to 0.1 ms each, however few rows there are."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.detect.lapse_rules import Times
from consumer.detect.storage.hash_index import Hashes, Rows
from consumer.detect.storage.row_store import Flags, Small

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: neighbouring process codes land far apart


@dataclass(frozen=True, slots=True)
class ActivityBatch:
    """What is known of each: its place in the frame it comes from, the key's 128 bits, the process's number, how it
    ends the process (`records.Ending`), when it happened (ms), and whether its action is not null."""

    places: Rows
    users: pl.Series
    low: Hashes
    high: Hashes
    codes: npt.NDArray[np.uint16]
    endings: Small
    at: Times
    actions: pl.Series
    says: Flags

    @classmethod
    def of(cls, frame: pl.DataFrame, known: pl.Enum) -> "ActivityBatch":
        """Of columns `user_id`, `process`, `ending`, `action`, `occurred_at` (ms); those of other processes than the
        `known` ones are left out."""
        columns = frame.select(
            pl.col("process").cast(known, strict=False).to_physical(),
            "ending",
            "occurred_at",
            "action",
            user="user_id",
            low=pl.col("user_id").hash(1),
            high=pl.col("user_id").hash(2),
            says=pl.col("action").is_not_null(),
        )
        places = np.arange(frame.height)
        if columns["process"].null_count():
            places = np.flatnonzero(columns["process"].is_not_null().to_numpy())
            columns = columns.drop_nulls("process")
        codes = columns["process"].to_numpy().astype(np.uint16)
        return cls(
            places,
            columns["user"],
            *keys(columns["low"].to_numpy(), columns["high"].to_numpy(), codes),
            codes,
            columns["ending"].to_numpy(),
            columns["occurred_at"].to_numpy(),
            columns["action"],
            columns["says"].to_numpy(),
        )

    def __len__(self) -> int:
        return self.places.size

    def part(self, start: int, stop: int) -> "ActivityBatch":
        """Those from one position to another."""
        if start == 0 and stop == len(self):
            return self
        return ActivityBatch(
            self.places[start:stop],
            self.users.slice(start, stop - start),
            self.low[start:stop],
            self.high[start:stop],
            self.codes[start:stop],
            self.endings[start:stop],
            self.at[start:stop],
            self.actions.slice(start, stop - start),
            self.says[start:stop],
        )


def keys(low: Hashes, high: Hashes, codes: npt.NDArray[np.uint16]) -> tuple[Hashes, Hashes]:
    """128 bits of each (user, process), from two hashes of the user.

    They live in memory only: another version may hash otherwise.
    """
    turn = (codes.astype(np.uint64) + np.uint64(1)) * _SPREAD
    return low ^ turn, high + turn
