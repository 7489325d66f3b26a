"""The gaps of a history: how long each user was silent in each process, and how each silence ended. Pure."""

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.insight.return_curve import GapCounts, groups_of
from consumer.records import Ending

SENDS = {"user_id": pl.String, "process": pl.String, "sent_at": pl.Int64}
"""The columns of messages that went out during the history."""


def count_gaps(history: pl.DataFrame, sends: pl.DataFrame, until: Millis) -> dict[str, GapCounts]:
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
    gaps = gaps.select("process", length=end - pl.col("occurred_at"), ended=ended, user=pl.col("user_id").hash(1))
    found: dict[str, GapCounts] = {}
    for (process,), part in gaps.partition_by("process", as_dict=True).items():
        counts = found[str(process)] = GapCounts()
        counts.add(
            part["length"].to_numpy().astype(np.int64), part["ended"].to_numpy(), groups_of(part["user"].to_numpy())
        )
    return found


def share_cut_by_messages(history: pl.DataFrame, sends: pl.DataFrame) -> float:
    """Return for which share of the user-process pairs a message went out during the history."""
    pairs = history.select("user_id", "process").unique()
    cut = pairs.join(sends.select("user_id", "process").unique(), on=["user_id", "process"], how="semi")
    return cut.height / pairs.height if pairs.height else 0.0
