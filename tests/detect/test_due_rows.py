"""The rows that are due, against a plain dictionary, whatever is scheduled, put off and taken."""

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given

from consumer.clock import DAY, HOUR, MINUTE
from consumer.detect.lapse_rules import ALWAYS, Processes, Times, reminder_id
from consumer.detect.storage import due_rows
from consumer.detect.storage.due_rows import DueRows
from consumer.detect.storage.row_store import RowStore
from consumer.detect.table import Table
from tests.detect.hearing import RULES, hear

ROWS = 3000  # of several blocks
places = st.integers(0, ROWS - 1) | st.sampled_from([0, 1, 1023, 1024])
TURNS = st.one_of(
    st.tuples(st.just("schedule"), st.dictionaries(places, st.integers(0, 100), min_size=1)),
    st.tuples(st.just("find"), st.integers(0, 30)),
    st.tuples(st.just("take"), st.integers(1, 5)),
)


@given(st.lists(TURNS, max_size=30), st.sampled_from([0, 3, 1000]))
def test_due_rows_are_those_of_a_plain_dictionary(turns: list, max_stale_rows: int) -> None:  # type: ignore[type-arg]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(due_rows, "_MAX_STALE_ROWS", max_stale_rows)
        compare_with_dictionaries(turns)


def compare_with_dictionaries(turns: list) -> None:  # type: ignore[type-arg]
    store = RowStore()
    store.allocate(ROWS)
    rows, due, watermark = DueRows(store), dict[int, int](), 0
    waiting, first_put_off = dict[int, tuple[int, int]](), dict[int, tuple[int, int]]()
    """The turn since which they wait, and when they were due. A row that has been rescheduled meanwhile may still
    have its first place in the queue."""
    for number, (turn, what) in enumerate(turns):
        if turn == "schedule":
            rows.schedule(np.array(list(what), np.int64), np.array(list(what.values()), np.int64))
            due |= what
            waiting = {row: since for row, since in waiting.items() if row not in what}
        elif turn == "find":
            watermark += what
            found = rows.find(watermark)
            assert sorted(found.tolist()) == sorted(row for row, at in due.items() if at <= watermark)
            for row in found.tolist():
                since = waiting.setdefault(row, (number, due[row]))
                first_put_off.setdefault(row, since)
                due[row] = watermark + 20
            rows.put_off(found, np.full(found.size, watermark + 20))
        else:
            taken = rows.take(what).tolist()
            assert len(taken) == min(what, len(waiting))
            for row in taken:
                del waiting[row]
                due.pop(row)
            if taken and waiting:
                assert max(first_put_off[row] for row in taken) <= min(waiting.values())
            rows.schedule(np.array(taken, np.int64), np.full(len(taken), 10_000))
        assert rows.waiting == len(waiting)
        assert np.flatnonzero(store.waiting).tolist() == sorted(waiting)


def starts(users: list[str], times: Times) -> pl.DataFrame:
    numbers = {"occurred_at": times, "written_at": times, "ending": np.zeros(times.size, np.uint8)}
    frame = pl.DataFrame({"user_id": users, **numbers})
    return frame.with_columns(process=pl.lit("checkout"), action=pl.lit(None, pl.String))


def test_oldest_lapses_are_asked_for_first_and_so_many_a_turn() -> None:
    """The first turn takes more than a batch of reminders has."""
    table, many = Table(Processes(RULES)), 7000
    order = np.random.default_rng(1).permutation(many)
    hear(table, starts([f"user-{n}" for n in order], HOUR + order * 1000), 0)
    watermark, done = 3 * HOUR + many * 1000, 0
    for limit in (4500, 700, 700, 700, 700):
        asked = table.advance_to(watermark, 0, limit=limit).reminders()
        expected = {}
        for n in range(done, min(done + limit, many)):
            user, seen = f"user-{n}", HOUR + n * 1000
            expected[user] = (reminder_id(user, "checkout", seen, HOUR), seen, seen + HOUR, seen + HOUR)
        assert len(asked) == len(expected)
        assert {r.user_id: (r.reminder_id, r.last_seen, r.lapsed_at, r.occurred_at) for r in asked} == expected
        done += len(asked)
        assert table.waiting == many - done


def test_held_rows_are_looked_at_again_only_when_something_changes() -> None:
    table = Table(Processes(RULES))
    hear(table, starts(["maria", "ken"], np.zeros(2, np.int64)), 0)
    assert table.advance_to(2 * HOUR, 0, hold=True).lapses == {}
    assert table.waiting == 2
    find = table.row_rules.due_rows.find
    assert not any(find(2 * HOUR + minute * MINUTE).size for minute in range(60))
    hear(table, starts(["maria"], np.full(1, 3 * HOUR)), 0)
    assert table.waiting == 1
    assert table.advance_to(HOUR + DAY, 0, hold=True).lapses == {}
    expired = table.advance_to(HOUR + DAY + 1, 0, hold=True)
    assert expired.lapses == {("checkout", 0, "expired"): 1}
    assert table.waiting == 1


def test_queue_that_nobody_takes_from_stays_short_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_rows, "_MAX_STALE_ROWS", 100)
    store = RowStore()
    store.allocate(600)
    rows, oldest, repeated = DueRows(store), np.arange(10), np.arange(10, 20)
    rows.schedule(oldest, 10 - oldest)
    rows.put_off(rows.find(10), np.full(10, ALWAYS))
    for turn in range(11, 500):
        passing = 20 + turn + np.arange(10)
        rows.schedule(np.concatenate([repeated, passing]), np.full(20, turn))
        rows.put_off(rows.find(turn), np.full(20, ALWAYS))
        rows.schedule(passing, np.full(10, ALWAYS))
    assert sum(array.size for array in rows._queue) < 200
    assert [rows.take(1).item() for _ in oldest] == oldest[::-1].tolist()
    assert sorted(rows.take(100).tolist()) == repeated.tolist()
    assert rows.waiting == 0
