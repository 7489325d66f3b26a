"""Activities as columns, ready for tables. They are prepared once for all partitions of a poll: most polars expressions
cost 0.05 to 0.1 ms each, however few rows there are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.byte_columns.text_spans import Texts, TextSpans, series_of, spans_of
from consumer.detect.lapse_rules import Times
from consumer.detect.storage.hash_index import Hashes, Rows
from consumer.detect.storage.row_store import Flags, Small
from consumer.detect.storage.traces import Traces

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbouring process codes

_NUMBERS = ("low", "high", "process_codes", "endings", "occurred_at", "written_at", "has_action")

SEEDS = (1, 2)
HashUsers: TypeAlias = Callable[[Texts], tuple[Hashes, Hashes]]
"""Returns the first and the second half of each user's hash."""


def hash_users(users: Texts, seeds: tuple[int, int] = SEEDS) -> tuple[Hashes, Hashes]:
    """Hash as polars does: in memory only, since another version of it may hash otherwise."""
    texts, (first, second) = series_of(users), seeds
    return texts.hash(first).to_numpy(), texts.hash(second).to_numpy()


@dataclass(frozen=True, slots=True)
class ActivityBatch:
    """One entry in each column for each activity: its index among the rows that were read, the user, the two halves
    of the key's hash, the process's code, how it ends the process (`records.Ending`), when it happened and
    when its record was written (ms), the action, whether the action is not null, and, unless none has one, its trace
    context."""

    indices: Rows
    users: Texts
    low: Hashes
    high: Hashes
    process_codes: npt.NDArray[np.uint16]
    endings: Small
    occurred_at: Times
    written_at: Times
    actions: Texts
    has_action: Flags
    traces: Traces | None = None

    @classmethod
    def of(cls, frame: pl.DataFrame, known: pl.Enum, hash_users: HashUsers = hash_users) -> "ActivityBatch":
        """Make a batch of the columns `user_id`, `process`, `ending`, `action`, `occurred_at` and `written_at` (ms),
        without those of processes that are not in `known`."""
        columns = frame.select(
            pl.col("process").cast(known, strict=False).to_physical(),
            "ending",
            "occurred_at",
            "written_at",
            "action",
            user="user_id",
            has_action=pl.col("action").is_not_null(),
        )
        indices = np.arange(frame.height)
        if columns["process"].null_count():
            indices = np.flatnonzero(columns["process"].is_not_null().to_numpy())
            columns = columns.drop_nulls("process")
        return cls.of_columns(
            indices,
            columns["user"],
            hash_users(columns["user"]),
            columns["process"].to_numpy().astype(np.uint16),
            columns["ending"].to_numpy(),
            columns["occurred_at"].to_numpy(),
            columns["written_at"].to_numpy(),
            columns["action"],
            columns["has_action"].to_numpy(),
        )

    @classmethod
    def of_columns(
        cls,
        indices: Rows,
        users: Texts,
        hashes: tuple[Hashes, Hashes],
        process_codes: npt.NDArray[np.uint16],
        endings: Small,
        occurred_at: Times,
        written_at: Times,
        actions: Texts,
        has_action: Flags,
    ) -> "ActivityBatch":
        """Make a batch of columns; `hashes` are of the users."""
        low, high = keys(*hashes, process_codes)
        events = endings, occurred_at, written_at, actions, has_action
        return cls(indices, users, low, high, process_codes, *events)

    @classmethod
    def merged(cls, *parts: tuple["ActivityBatch", Rows]) -> "ActivityBatch":
        """Merge batches without traces, each with new indices for its activities, in order of those."""
        indices = np.concatenate([rows for _, rows in parts])
        order = np.argsort(indices)

        def column(name: str) -> Any:
            return np.concatenate([getattr(batch, name) for batch, _ in parts])[order]

        def texts(name: str) -> TextSpans:
            return TextSpans.concatenated([spans_of(getattr(batch, name)) for batch, _ in parts]).gather(order)

        numbers = {name: column(name) for name in _NUMBERS}
        return cls(indices=indices[order], users=texts("users"), actions=texts("actions"), **numbers)

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
    """Return a 128-bit hash of each (user, process) from two hashes of the user."""
    turn = (process_codes.astype(np.uint64) + np.uint64(1)) * _SPREAD
    return low ^ turn, high + turn
