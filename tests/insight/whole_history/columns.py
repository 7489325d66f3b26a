"""Activities and messages of tests as the columns of a whole history."""

import numpy as np
import polars as pl

from consumer.insight.whole_history.activities import Activities, order, records_of
from consumer.insight.whole_history.gaps import SENDS, messages_of
from consumer.records import UserActivity
from tests.detect.test_table_against_model import frame

Send = tuple[str, str, int]
"""The user, the process, and when a message went out."""


def activities_of(
    history: list[tuple[UserActivity, int]], known: pl.Enum, sends: list[Send] | None = None
) -> Activities:
    """Return records, each with when it was written, and messages."""
    texts, times = pl.col("user_id", "process").cast(pl.String), pl.col("occurred_at", "written_at").cast(pl.Int64)
    records = records_of(frame(history).with_columns(texts, times), known)
    messages = messages_of(pl.DataFrame(sends or [], schema=SENDS, orient="row"))
    return order(np.concatenate([records, records_of(messages, known)]))
