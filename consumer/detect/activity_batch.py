"""Activities as columns, ready for tables. They are prepared once for all partitions of a poll: most polars expressions
cost 0.05 to 0.1 ms each, however few rows there are."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.detect.lapse_rules import Times
from consumer.detect.storage.hash_index import Hashes, Rows
from consumer.detect.storage.row_store import Flags, Small
from consumer.detect.storage.traces import Traces

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbouring process codes


@dataclass(frozen=True, slots=True)
class ActivityBatch:
    """One entry in each column for each activity: its index in the frame that it comes from, the user, the two halves
    of the key's hash, the process's code, how it ends the process (`records.Ending`), when it happened and
    when its record was written (ms), the action, whether the action is not null, and, unless none has one, its trace
    context."""

    indices: Rows
    users: pl.Series
    low: Hashes
    high: Hashes
    process_codes: npt.NDArray[np.uint16]
    endings: Small
    occurred_at: Times
    written_at: Times
    actions: pl.Series
    has_action: Flags
    traces: Traces | None = None

    @classmethod
    def of(cls, frame: pl.DataFrame, known: pl.Enum) -> "ActivityBatch":
        """Make a batch of the columns `user_id`, `process`, `ending`, `action`, `occurred_at` and `written_at` (ms),
        without those of processes that are not in `known`."""
        columns = frame.select(
            pl.col("process").cast(known, strict=False).to_physical(),
            "ending",
            "occurred_at",
            "written_at",
            "action",
            user="user_id",
            low=pl.col("user_id").hash(1),
            high=pl.col("user_id").hash(2),
            has_action=pl.col("action").is_not_null(),
        )
        indices = np.arange(frame.height)
        if columns["process"].null_count():
            indices = np.flatnonzero(columns["process"].is_not_null().to_numpy())
            columns = columns.drop_nulls("process")
        process_codes = columns["process"].to_numpy().astype(np.uint16)
        return cls(
            indices,
            columns["user"],
            *keys(columns["low"].to_numpy(), columns["high"].to_numpy(), process_codes),
            process_codes,
            columns["ending"].to_numpy(),
            columns["occurred_at"].to_numpy(),
            columns["written_at"].to_numpy(),
            columns["action"],
            columns["has_action"].to_numpy(),
        )

    def __len__(self) -> int:
        return self.indices.size

    def slice(self, start: int, stop: int) -> "ActivityBatch":
        """Return the activities from `start` to before `stop`."""
        if start == 0 and stop == len(self):
            return self
        return ActivityBatch(
            self.indices[start:stop],
            self.users.slice(start, stop - start),
            self.low[start:stop],
            self.high[start:stop],
            self.process_codes[start:stop],
            self.endings[start:stop],
            self.occurred_at[start:stop],
            self.written_at[start:stop],
            self.actions.slice(start, stop - start),
            self.has_action[start:stop],
            None if self.traces is None else self.traces[start:stop],
        )


def keys(low: Hashes, high: Hashes, process_codes: npt.NDArray[np.uint16]) -> tuple[Hashes, Hashes]:
    """Return a 128-bit hash of each (user, process) from two hashes of the user.

    Hashes are in memory only: another version of polars may hash otherwise.
    """
    turn = (process_codes.astype(np.uint64) + np.uint64(1)) * _SPREAD
    return low ^ turn, high + turn
