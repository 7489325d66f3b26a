"""Tables hear of frames."""

import polars as pl

from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.table import Table
from consumer.records import Reminder


def hear(table: Table, frame: pl.DataFrame, now: int) -> list[Reminder]:
    return table.apply(ActivityBatch.of(frame, table.processes.known), now)
