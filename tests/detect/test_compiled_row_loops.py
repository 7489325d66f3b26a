"""Array operations and compiled loops leave the same rows, byte for byte, and say the same of each activity."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.compiled_row_loops import CompiledRowLoops
from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.detect.row_loops import PLAIN_LOOPS
from consumer.detect.snapshot import LATEST_TIME
from consumer.detect.storage.hash_index import KeyIndex
from consumer.detect.storage.row_store import RowStore
from consumer.detect.table import Table

COMPILED = CompiledRowLoops()
RULES = LapseRules(
    ladders={"signup": (10, 25, 26), "checkout": (7,), "upload": (3, 4)},
    allowed_lateness=3,
    settle=2,
    clock_doubt=6,
    hush=8,
    expire_after=15,
    forget_after=60,
)

times = st.one_of(st.integers(0, 90), st.sampled_from([-LATEST_TIME, LATEST_TIME]))
activities = st.tuples(
    st.sampled_from(["ann", "bob", "cé", "dan"]),
    st.sampled_from(list(RULES.ladders)),
    st.integers(0, 2),
    times,
    times,
    st.sampled_from([None, "", "a"]),
)
turns = st.lists(st.tuples(st.lists(activities, min_size=1, max_size=40), st.integers(0, 30)), max_size=8)


def batch_of(rows: list[Any], known: pl.Enum) -> ActivityBatch:
    names = ["user_id", "process", "ending", "occurred_at", "written_at", "action"]
    kinds = {"ending": pl.UInt8, "occurred_at": pl.Int64, "written_at": pl.Int64, "action": pl.String}
    return ActivityBatch.of(pl.DataFrame(rows, schema_overrides=kinds, schema=names, orient="row"), known)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(turns, st.sampled_from([None, 20]), st.booleans())
def test_both_leave_the_same_table(history: list[tuple[list[Any], int]], not_before: int | None, some: bool) -> None:
    plain, compiled = tables = [
        Table(Processes(RULES), not_before=not_before, loops=loops) for loops in (PLAIN_LOOPS, COMPILED)
    ]
    clock = 0
    for rows, span in history:
        clock += span
        if some:
            for table in tables:
                table.processes.ask_only_from("signup", clock)
        told = [list(table.apply(batch_of(rows, table.processes.known), clock)) for table in tables]
        assert [list(batch) for batch in told[0]] == [list(batch) for batch in told[1]]
        noticed = [table.advance_to(clock, clock) for table in tables]
        assert noticed[0].reminders() == noticed[1].reminders()
        assert noticed[0].lapses == noticed[1].lapses
        used = plain.store.used
        assert used == compiled.store.used
        assert plain.store.rows[:used].tobytes() == compiled.store.rows[:used].tobytes()
        assert plain.store.due[:used].tolist() == compiled.store.due[:used].tolist()
        assert plain.store.dirty[:used].tolist() == compiled.store.dirty[:used].tolist()


def test_a_key_is_found_behind_others_that_were_removed_and_around_the_end() -> None:
    store, index = RowStore(), KeyIndex()
    keys = np.arange(9)
    store.low[keys], store.high[keys] = 1022 + keys // 5, keys  # five want the last slot but one, four the last
    index.insert(store.low[keys], keys)
    index.remove(store.low[:3], keys[:3])
    low, high = store.low[keys].copy(), store.high[keys].copy()
    low.setflags(write=False)  # as polars gives them
    found = [loops.find(index, store, low, high).tolist() for loops in (PLAIN_LOOPS, COMPILED)]
    assert found == [[-1, -1, -1, 3, 4, 5, 6, 7, 8]] * 2
