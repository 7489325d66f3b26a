"""Tables hear of frames."""

import polars as pl

from consumer.detect.activity_batch import Activities
from consumer.detect.table import Table
from consumer.records import Reminder


def hear(table: Table, frame: pl.DataFrame, now: int) -> list[Reminder]:
    return table.hear(Activities.of(frame, table.processes.known), now)
