"""The gaps of a history: how long each user was silent in each process, and how each silence ended. Pure."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.insight.return_curve import GapCounts, groups_of
from consumer.records import Ending

SENDS = {"user_id": pl.String, "process": pl.String, "sent_at": pl.Int64}
"""The columns of messages that went out during the history."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """A process's gaps, and how many of them a message cut."""

    counts: GapCounts
    cut_by_messages: int


def count_gaps(history: pl.DataFrame, sends: pl.DataFrame, until: Millis) -> dict[str, Gaps]:
    """Return the gaps of each process.

    A gap lasts from an activity until the next activity or ending of the same user and process. It is censored at the
    end of the history, and where a message went out: what came after that is not the person's own doing.
    """
    key = ["user_id", "process"]
    gaps = history.sort("occurred_at").with_columns(back_at=pl.col("occurred_at").shift(-1).over(key))
    gaps = gaps.filter(pl.col("ending") == Ending.NONE, pl.col("occurred_at") <= until)
    gaps = gaps.join_asof(
        sends.sort("sent_at"),
        left_on="occurred_at",
        right_on="sent_at",
        by=key,
        strategy="forward",
        check_sortedness=False,
    )
    end = pl.min_horizontal(pl.col("back_at").fill_null(until), pl.col("sent_at").fill_null(until), pl.lit(until))
    ended = pl.col("back_at").is_not_null() & (pl.col("back_at") == end)
    cut = (pl.col("sent_at") == end).fill_null(False) & ~ended
    gaps = gaps.select("process", "user_id", length=end - pl.col("occurred_at"), ended=ended, cut=cut)
    found: dict[str, Gaps] = {}
    for (process,), part in gaps.partition_by("process", as_dict=True).items():
        counts = GapCounts()
        groups = groups_of(part["user_id"].hash(1).to_numpy())
        counts.add(part["length"].to_numpy().astype(np.int64), part["ended"].to_numpy(), groups)
        counts.add_people(part.group_by("user_id").agg(pl.col("length").max())["length"].to_numpy().astype(np.int64))
        found[str(process)] = Gaps(counts, int(part["cut"].sum()))
    return found
