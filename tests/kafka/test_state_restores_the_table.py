"""What is read back from the state topic is the table that wrote it, row by row, wherever compaction has been."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.detect.snapshot import NUMBER_COLUMNS
from consumer.detect.table import Table
from consumer.kafka.changelog import writer as state
from consumer.kafka.changelog.reader import ChangelogReader
from consumer.kafka.changelog.writer import ChangelogRecord, ChangelogWriter
from consumer.records import Ending
from tests.detect.hearing import hear, new_writer

RULES = LapseRules(
    ladders={"signup": (10, 25), "checkout": (7,)},
    allowed_lateness=3,
    settle=2,
    clock_doubt=4,
    hush=5,
    expire_after=15,
    forget_after=60,
)
FIELDS = ("process", *NUMBER_COLUMNS, "low", "high", "due")
PEOPLE = 20_000  # three pages of rows

hears = st.tuples(
    st.just("hear"),
    st.integers(0, PEOPLE - 1),  # the first of those who do something
    st.sampled_from([1, 30, 700, 9_000]),  # how many
    st.sampled_from([1, 7]),  # every one, or some of them
    st.sampled_from([None, "", "a passport", "é" * 90]),
    st.sampled_from(Ending),
)
turns = st.one_of(hears, hears, st.tuples(st.just("clock"), st.integers(1, 40)))


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that pages and deltas are written in pieces."""
    monkeypatch.setattr(state, "MAX_SEGMENT_BYTES", 30_000)


def batch(at: int, first: int, count: int, stride: int, action: str | None, ending: Ending) -> pl.DataFrame:
    who = (np.arange(first, first + count * stride, stride)) % PEOPLE
    return pl.DataFrame(
        {
            "user_id": [f"user-{n}" + "x" * (n % 40) for n in who],
            "process": np.where(who % 3, "signup", "checkout"),
            "ending": np.full(count, ending, np.uint8),
            "action": pl.Series([action] * count, dtype=pl.String),
            "occurred_at": at - who % 5,
            "written_at": at - who % 3,
        }
    )


def contents(table: Table) -> dict[str, list[Any]]:
    rows = table.store.live_rows()
    reported: dict[str, list[Any]] = {name: getattr(table.store, name)[rows].tolist() for name in FIELDS}
    return reported | {"row": rows.tolist(), "user": table.store.user.get(rows), "action": table.store.action.get(rows)}


def restored(log: list[ChangelogRecord]) -> tuple[Table, ChangelogWriter]:
    reader = ChangelogReader("lapse", Processes(RULES))
    for message in log:
        reader.feed(message.key, message.value, message.headers)
    made = reader.finish()
    assert made is not None
    return made.table, made.writer


def cleaned(log: list[ChangelogRecord], dropped: np.random.Generator) -> list[ChangelogRecord]:
    """Without some of what was replaced since: compaction goes through a part of the topic at a time."""
    latest = {message.key: message for message in log}
    return [m for m in log if (latest[m.key] is m and m.value is not None) or dropped.random() < 0.5]


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(turns, min_size=1, max_size=20), st.integers(0, 99))
def test_the_topic_restores_the_table_that_wrote_it(history: list[tuple[Any, ...]], seed: int) -> None:
    table, writer, log, clock = Table(Processes(RULES)), new_writer("lapse", RULES.ladders), list[ChangelogRecord](), 0
    chance = np.random.default_rng(seed)
    for offset, (turn, *what) in enumerate(history):
        if turn == "hear":
            hear(table, batch(clock, *what), clock)
        else:
            clock += what[0]
            table.advance_to(clock, clock)
        log += writer.build_segments(table, offset, clock)
        if chance.random() < 0.1:  # another process takes over
            table, writer = restored(log)
    expected = contents(table)
    for topic in (log, cleaned(log, chance)):
        copy, _ = restored(topic)
        assert contents(copy) == expected
        # Each is found again, and nobody twice.
        everyone = batch(clock - 1000, 0, PEOPLE, 1, None, Ending.NONE)
        hear(copy, everyone, clock)
        assert len(copy) == PEOPLE
