"""Array operations and compiled loops leave the same rows, byte for byte, and say the same of each activity."""

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from consumer.byte_columns.text_spans import spans_of
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.compiled_row_loops import CompiledRowLoops
from consumer.detect.lapse_rules import Processes
from consumer.detect.row_loops import PLAIN_LOOPS, Heard, RowLoops
from consumer.detect.row_rules import RowRules
from consumer.detect.snapshot import LATEST_TIME, take_changes
from consumer.detect.storage.hash_index import Hashes, KeyIndex, Rows
from consumer.detect.storage.row_store import RowStore
from consumer.detect.table import Table

from .hearing import QUICK_RULES

COMPILED = CompiledRowLoops(bytes(16))
RULES = replace(QUICK_RULES, ladders={**QUICK_RULES.ladders, "upload": (3, 4)})

NOT_BEFORE = 20

times = st.one_of(st.integers(0, 90), st.integers(15, 25), st.sampled_from([-LATEST_TIME, NOT_BEFORE, LATEST_TIME]))
activities = st.tuples(
    st.sampled_from(["ann", "bob", "cé", "dan"]),
    st.sampled_from(list(RULES.ladders)),
    st.integers(0, 2),
    times,
    times,
    st.sampled_from([None, "", "a"]),
)
turns = st.lists(
    st.tuples(st.lists(activities, min_size=1, max_size=40), st.integers(0, 30), st.booleans()), max_size=8
)


def batch_of(rows: list[Any], known: pl.Enum) -> ActivityBatch:
    names = ["user_id", "process", "ending", "occurred_at", "written_at", "action"]
    kinds = {"ending": pl.UInt8, "occurred_at": pl.Int64, "written_at": pl.Int64, "action": pl.String}
    return ActivityBatch.of(pl.DataFrame(rows, schema_overrides=kinds, schema=names, orient="row"), known)


class Noting(RowLoops):
    """Loops, and what they said."""

    def __init__(self, loops: RowLoops) -> None:
        self._loops = loops
        self.heard: list[list[list[int]]] = []

    def find(self, index: KeyIndex, store: RowStore, low: Hashes, high: Hashes) -> Rows:
        return self._loops.find(index, store, low, high)

    def distinct(self, low: Hashes, high: Hashes) -> tuple[Rows, Rows]:
        return self._loops.distinct(low, high)

    def insert(self, index: KeyIndex, low: Hashes, rows: Rows) -> None:
        self._loops.insert(index, low, rows)

    def hear(self, store: RowStore, rules: RowRules, rows: Rows, batch: ActivityBatch) -> Heard:
        heard = self._loops.hear(store, rules, rows, batch)
        self.heard.append([each.tolist() for each in heard])
        return heard


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(turns, st.sampled_from([None, NOT_BEFORE]), st.booleans())
def test_both_leave_the_same_table(
    history: list[tuple[list[Any], int, bool]], not_before: int | None, some: bool
) -> None:
    """Plain: of texts in a frame. Compiled: of texts that stay where they lie."""
    noting = [Noting(loops) for loops in (PLAIN_LOOPS, COMPILED)]
    plain, compiled = tables = [Table(Processes(RULES), not_before=not_before, loops=loops) for loops in noting]
    clock = 0
    for rows, span, keeps in history:
        clock += span
        if some:
            for table in tables:
                table.processes.ask_only_from("signup", clock)
        heard = batch_of(rows, plain.processes.known)
        spans = replace(heard, users=spans_of(heard.users), actions=spans_of(heard.actions))
        told = [list(table.apply(batch, clock)) for table, batch in zip(tables, (heard, spans), strict=True)]
        assert noting[0].heard == noting[1].heard
        assert [list(batch) for batch in told[0]] == [list(batch) for batch in told[1]]
        noticed = [table.advance_to(clock, clock) for table in tables]
        assert noticed[0].reminders() == noticed[1].reminders()
        assert noticed[0].lapses == noticed[1].lapses
        used = plain.store.used
        assert used == compiled.store.used
        assert plain.store.rows[:used].tobytes() == compiled.store.rows[:used].tobytes()
        assert plain.store.due[:used].tolist() == compiled.store.due[:used].tolist()
        assert plain.store.dirty[:used].tolist() == compiled.store.dirty[:used].tolist()
        if keeps:
            assert take_changes(plain).equals(take_changes(compiled))


def test_a_step_beyond_every_ladder_never_lapses() -> None:
    """Nothing beside the ladders is read."""
    dues = []
    for loops in (PLAIN_LOOPS, COMPILED):
        table = Table(Processes(RULES), loops=loops)
        for at in (5, 4):  # the second changes nothing
            table.apply(batch_of([("ann", "signup", 0, at, at, None)], table.processes.known), 0)
            table.store.step[0] = 4  # in memory, the first of the next ladder
        dues.append(int(table.store.due[0]))
    assert dues == [5 + RULES.forget_after] * 2


def test_a_key_is_found_behind_others_that_were_removed_and_around_the_end() -> None:
    store, index = RowStore(), KeyIndex()
    keys = np.arange(9)
    store.low[keys], store.high[keys] = 1022 + keys // 5, keys  # five want the last slot but one, four the last
    index.insert(store.low[keys], keys)
    index.remove(store.low[:3], keys[:3])
    low, high = store.low[[*keys, 8]].copy(), store.high[[*keys, 8]].copy()
    low[9] += 1 << 32  # another key, alike but for what says so
    store.low[-2], store.high[-2] = low[0], high[0]  # a removed key's slot holds -2, which is no row
    low.setflags(write=False)  # as polars gives them
    found = [loops.find(index, store, low, high).tolist() for loops in (PLAIN_LOOPS, COMPILED)]
    assert found == [[-1, -1, -1, 3, 4, 5, 6, 7, 8, -1]] * 2


@pytest.mark.parametrize("loops", [RowLoops((3, 2)), RowLoops((1, 3)), CompiledRowLoops(bytes(range(16)))])
def test_who_knows_no_seed_knows_no_hash(loops: RowLoops) -> None:
    """Else somebody who chooses ids could look for two that are taken for one."""
    users = pl.Series(["ann", "bob"])
    known = PLAIN_LOOPS.hash_users(users) if not isinstance(loops, CompiledRowLoops) else COMPILED.hash_users(users)
    assert [half.tolist() for half in loops.hash_users(users)] != [half.tolist() for half in known]


small = st.integers(0, 5)


@settings(deadline=None)
@given(st.lists(st.tuples(small, small), max_size=40))
def test_distinct_keys_stand_in_the_order_of_their_first(drawn: list[tuple[int, int]]) -> None:
    low, high = (np.array([key[half] for key in drawn], np.uint64) for half in (0, 1))
    expected = list(dict.fromkeys(drawn))
    for loops in (PLAIN_LOOPS, COMPILED):
        firsts, places = loops.distinct(low, high)
        assert [drawn[first] for first in firsts] == expected
        assert firsts.tolist() == [drawn.index(key) for key in expected]
        assert places.tolist() == [expected.index(key) for key in drawn]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1000, 1030), max_size=30), max_size=4))
def test_what_was_inserted_is_found(inserted: list[list[int]]) -> None:
    """Of a table of 1024 slots the last are wanted, and the first taken where those are full."""
    keys = [key for each in inserted for key in each]
    store = RowStore()
    store.low[: len(keys)], store.high[: len(keys)] = np.array(keys, np.uint64), np.arange(len(keys))
    for loops in (PLAIN_LOOPS, COMPILED):
        index, first = KeyIndex(), 0
        for each in inserted:
            rows = np.arange(first, first + len(each))
            loops.insert(index, store.low[rows], rows)
            first += len(each)
        rows = np.arange(len(keys))
        assert loops.find(index, store, store.low[rows], store.high[rows]).tolist() == rows.tolist()
        assert not index.has_room_for(int(1024 * 0.6) - len(keys) + 1)
        assert index.has_room_for(int(1024 * 0.6) - len(keys))
