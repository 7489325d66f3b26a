"""The rows that are due, against a plain dictionary, whatever is scheduled, put off and taken."""

import hypothesis.strategies as st
import numpy as np
import polars as pl
from hypothesis import given

from consumer.clock import DAY, HOUR, MINUTE
from consumer.detect.lapse_rules import Processes, Times
from consumer.detect.storage.due_rows import DueRows
from consumer.detect.storage.row_store import RowStore
from consumer.detect.table import Table
from tests.detect.hearing import RULES, hear

ROWS = 3000  # of several blocks
places = st.integers(0, ROWS - 1)
TURNS = st.one_of(
    st.tuples(st.just("schedule"), st.dictionaries(places, st.integers(0, 100), min_size=1)),
    st.tuples(st.just("find"), st.integers(0, 30)),
    st.tuples(st.just("take"), st.integers(1, 5)),
)


@given(st.lists(TURNS, max_size=30))
def test_due_rows_are_those_of_a_plain_dictionary(turns: list) -> None:  # type: ignore[type-arg]
    store = RowStore()
    store.allocate(ROWS)
    rows, due, waiting, watermark = DueRows(store), dict[int, int](), dict[int, int](), 0
    for turn, what in turns:
        if turn == "schedule":
            rows.schedule(np.array(list(what), np.int64), np.array(list(what.values()), np.int64))
            due |= what
            waiting = {row: since for row, since in waiting.items() if row not in what}
        elif turn == "find":
            watermark += what
            found = rows.find(watermark)
            assert sorted(found.tolist()) == sorted(row for row, at in due.items() if at <= watermark)
            for row in found.tolist():
                waiting.setdefault(row, due[row])
                due[row] = watermark + 20
            rows.put_off(found, np.full(found.size, watermark + 20))
        else:
            taken = rows.take(what)
            assert len(taken) == min(what, len(waiting))
            for row in taken.tolist():
                del waiting[row]
                due.pop(row)
            rows.schedule(taken, np.full(taken.size, 10_000))
        assert rows.waiting == len(waiting)
        assert np.flatnonzero(store.waiting).tolist() == sorted(waiting)


def starts(users: list[str], times: Times) -> pl.DataFrame:
    numbers = {"occurred_at": times, "written_at": times, "ending": np.zeros(times.size, np.uint8)}
    frame = pl.DataFrame({"user_id": users, **numbers})
    return frame.with_columns(process=pl.lit("checkout"), action=pl.lit(None, pl.String))


def test_oldest_lapses_are_asked_for_first_and_so_many_a_turn() -> None:
    table, many = Table(Processes(RULES)), 5000
    order = np.random.default_rng(1).permutation(many)
    times = HOUR + order * 1000
    hear(table, starts([f"user-{n}" for n in order], times), 0)
    watermark, asked = 3 * HOUR + many * 1000, list[str]()
    first = table.advance_to(watermark, 0, limit=1000)
    asked += [str(reminder.user_id) for reminder in first.reminders()]
    assert table.waiting == many - 1000
    while table.waiting:
        turn = table.advance_to(watermark, 0, limit=700).reminders()
        assert len(turn) == min(700, many - len(asked))
        asked += [str(reminder.user_id) for reminder in turn]
    at_once = [sorted(asked[:1000]), *(sorted(asked[first : first + 700]) for first in range(1000, many, 700))]
    expected = [f"user-{n}" for n in range(many)]
    assert at_once == [sorted(expected[:1000]), *(sorted(expected[n : n + 700]) for n in range(1000, many, 700))]


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


def test_queue_that_nobody_takes_from_does_not_grow() -> None:
    store = RowStore()
    store.allocate(10)
    rows, some = DueRows(store), np.arange(10)
    for turn in range(20_000):
        rows.schedule(some, np.full(10, turn))
        rows.put_off(rows.find(turn), np.full(10, turn + 100))
    assert sum(array.size for array in rows._queue) < 100_000
    assert sorted(rows.take(100).tolist()) == some.tolist()
    assert rows.waiting == 0
