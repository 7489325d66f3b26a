"""A table whose rows were dropped shrinks, and the changelog restores it."""

import numpy as np
import polars as pl

from consumer.clock import DAY
from consumer.detect.lapse_rules import Processes
from consumer.detect.table import Table
from consumer.kafka.changelog.reader import ChangelogReader
from consumer.kafka.changelog.writer import ChangelogRecord
from tests.detect.hearing import RULES, hear, new_writer

MANY = 200_000


def somebody(first: int, count: int, at: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": [f"user-{n}" for n in range(first, first + count)],
            "process": ["checkout"] * count,
            "ending": np.zeros(count, np.uint8),
            "action": [f"order {n}" for n in range(first, first + count)],
            "occurred_at": np.full(count, at),
            "written_at": np.full(count, at),
        }
    )


def test_memory_of_dropped_rows_is_released() -> None:
    table, writer, log = Table(Processes(RULES)), new_writer("lapse", RULES.ladders), list[ChangelogRecord]()
    hear(table, somebody(0, MANY, at=0), 0)
    hear(table, somebody(MANY, 500, at=20 * DAY), 0)
    large = table.nbytes
    log += writer.build_segments(table, 1, 0)
    for turn in range(40):  # the clock goes on, and a few rows move with each look at it
        table.advance_to(31 * DAY + turn, 0)
        log += writer.build_segments(table, 2 + turn, 0)
    assert len(table) == 500
    assert table.nbytes < large / 2

    reader = ChangelogReader("lapse", Processes(RULES))
    for message in log:
        reader.feed(message.key, message.value, message.headers)
    restored = reader.finish()
    assert restored is not None
    hear(table, somebody(MANY + 250, 500, at=32 * DAY), 0)
    hear(restored.table, somebody(MANY + 250, 500, at=32 * DAY), 0)
    asked = [
        sorted((r.user_id or "", r.action or "") for r in t.advance_to(33 * DAY, 0).reminders())
        for t in (table, restored.table)
    ]
    assert asked[0] == asked[1]
    assert len(asked[0]) == 500
    assert ("user-200250", "order 200250") in asked[0]
