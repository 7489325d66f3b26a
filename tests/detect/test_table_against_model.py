"""The table and the plain model get the same batches and watermarks, and must give the same reminders."""

from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from consumer.detect import snapshot
from consumer.detect.compiled_row_loops import CompiledRowLoops
from consumer.detect.lapse_rules import AskedFrom, LapseRules, Processes
from consumer.detect.row_loops import PLAIN_LOOPS, RowLoops
from consumer.detect.snapshot_loader import Loader
from consumer.detect.table import Table
from consumer.kafka.changelog import lineage
from consumer.kafka.changelog.lineage import Lineage
from consumer.records import ActivityKind, Ending, UserActivity

from .hearing import INPUT, QUICK_RULES, hear
from .model import ENDINGS, Model, Written

RULES = QUICK_RULES

LADDERS = (
    RULES.ladders,
    {"signup": (10, 18, 25, 26), "checkout": (3, 7)},
    {"signup": (12, 26), "checkout": (7, 9, 40)},
    {"signup": (25,), "checkout": (7,)},
)

events = st.builds(
    UserActivity,
    event_id=st.just("e"),
    user_id=st.sampled_from(["ann", "bob", "cé", "d" * 300]),
    process=st.sampled_from(["signup", "checkout", "unheard-of"]),
    kind=st.sampled_from(ActivityKind),
    action=st.sampled_from([None, "", "a", "é", "upload a passport"]),
    occurred_at=st.integers(0, 120),
)
records = st.tuples(events, st.integers(0, 120))
"""An event, and when its record says that it was written: both clocks may be wrong."""

turns = st.one_of(
    st.tuples(st.just("hear"), st.lists(records, min_size=1, max_size=12)),
    st.tuples(st.just("clock"), st.tuples(st.integers(0, 40), st.booleans(), st.sampled_from([0, 1, 2, 1000]))),
    st.tuples(st.just("pages"), st.just(0)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("ladders"), st.sampled_from(LADDERS)),
)


def frame(records: list[Written]) -> pl.DataFrame:
    batch = [event for event, _ in records]
    return pl.DataFrame(
        {
            "user_id": [e.user_id for e in batch],
            "process": [e.process for e in batch],
            "ending": pl.Series([ENDINGS.get(e.kind, Ending.NONE) for e in batch], dtype=pl.UInt8),
            "action": pl.Series([e.action for e in batch], dtype=pl.String),
            "occurred_at": [e.occurred_at for e in batch],
            "written_at": [written_at for _, written_at in records],
        }
    )


@dataclass
class Kept:
    """What a state topic would hold: deltas since the oldest page, and pages."""

    frames: list[tuple[int | None, pl.DataFrame]] = field(default_factory=list)

    def commit(self, table: Table) -> None:
        self.frames.append((None, snapshot.take_changes(table)))

    def rewrite(self, table: Table) -> None:
        self.commit(table)
        self.frames = list(enumerate(snapshot.read_pages(table, range(snapshot.pages(table)))))

    def restore(self, stored: Lineage, rules: LapseRules, clock: int, loops: RowLoops) -> tuple[Table, Lineage]:
        """Return the table under these rules, and the lineage that it goes on with."""
        table = Table(Processes(rules), loops=loops)
        loader = Loader(table, 1)
        for number, kept in reversed(self.frames):
            if number is None:
                loader.changes(kept, table.processes.names)
            else:
                start = number * snapshot.PAGE
                loader.page(start, start + snapshot.PAGE, kept, table.processes.names)
        loader.finish({name: known.ladder for name, known in stored.processes.items()})
        updated = lineage.update(stored, INPUT, rules.ladders, clock, endings_missed=False, started_at=clock)
        table.row_rules.ask_from(updated.asked_from)
        return table, updated


def waiting_in(table: Table) -> set[tuple[str, str]]:
    """Whose lapses wait for their turn, and in which process."""
    rows = np.flatnonzero(table.store.waiting[: table.store.used])
    names = [table.processes.names[code] for code in table.store.process[rows]]
    return {(str(user), name) for user, name in zip(table.store.user.get(rows), names, strict=True)}


def said(reminders: list[Any]) -> list[str]:
    return sorted(repr(reminder) for reminder in reminders)


@pytest.mark.slow
@pytest.mark.parametrize("loops", [PLAIN_LOOPS, CompiledRowLoops(bytes(16))], ids=["plain", "compiled"])
@settings(max_examples=400, deadline=None)
@given(st.lists(turns, max_size=40), st.integers(0, 60))
def test_table_equals_model_over_random_histories_with_restarts(
    loops: RowLoops, history: list[tuple[str, Any]], started: int
) -> None:
    rules, asked_from = RULES, AskedFrom(start=started)
    table, model, kept, clock = Table(Processes(rules), loops=loops), Model(rules, started), Kept(), 0
    table.row_rules.ask_from(asked_from)
    stored = lineage.create(INPUT, rules.ladders, asked_from=asked_from)
    for turn, what in history:
        if turn == "hear":
            assert said(hear(table, frame(what), clock)) == said(model.hear(what, now=clock))
        elif turn == "clock":
            span, hold, limit = what
            clock += span
            noticed = table.advance_to(clock, now=clock, hold=hold, limit=limit)
            waiting = waiting_in(table)
            assert len(waiting) == table.waiting
            assert hold or len(noticed.reminders()) == limit or not waiting
            asked, counts = model.notice(clock, now=clock, waiting=waiting)
            assert said(noticed.reminders()) == said(asked)
            assert noticed.lapses == counts
        elif turn == "pages":
            kept.rewrite(table)
        else:
            kept.commit(table)
            if turn == "ladders":
                rules = replace(RULES, ladders=what)
                model.change_ladders(rules, clock)
            table, stored = kept.restore(stored, rules, clock, loops)
        assert len(table) == len(model.lives)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(records, max_size=30), st.randoms(use_true_random=False), st.booleans())
def test_duplicates_change_nothing_and_without_clock_doubt_neither_does_order(
    batch: list[Written], chance: Any, in_order: bool
) -> None:
    other = batch + [chance.choice(batch) for _ in batch]
    if not in_order:
        chance.shuffle(other)
    rules = RULES if in_order else replace(RULES, clock_doubt=0)
    one, two = Table(Processes(rules)), Table(Processes(rules))
    for record in batch:
        hear(one, frame([record]), 0)
    if other:
        hear(two, frame(other), 0)
    for clock in range(0, 200, 7):
        assert said(one.advance_to(clock, 0).reminders()) == said(two.advance_to(clock, 0).reminders())


def test_lapse_return_second_lapse_and_ending_equal_the_model() -> None:
    """A history that random ones seldom contain."""
    table, model = Table(Processes(RULES)), Model(RULES)

    def step(kind: ActivityKind, at: int) -> list[str]:
        event = UserActivity(
            event_id="e", user_id="cé", process="signup", kind=kind, action="upload a passport", occurred_at=at
        )
        found = said(hear(table, frame([(event, at)]), at))
        assert found == said(model.hear([(event, at)], now=at))
        asked, (expected, _) = table.advance_to(at + 14, now=at + 14), model.notice(at + 14, now=at + 14)
        assert said(asked.reminders()) == said(expected)
        return [*found, *said(expected)]

    story = [(ActivityKind.STARTED, 1), (ActivityKind.PROGRESSED, 20), (ActivityKind.COMPLETED, 40)]
    assert [len(step(kind, at)) for kind, at in story] == [1, 2, 1]


def test_a_delta_tells_a_user_once_and_an_action_whenever_it_was_set() -> None:
    table, told = Table(Processes(RULES)), list[tuple[Any, ...]]()
    for at, action in ((1, "a"), (2, "b"), (2, "a"), (3, None)):  # of two at one time the greater one stays
        event = UserActivity(
            event_id="e", user_id="ann", process="signup", kind=ActivityKind.STARTED, action=action, occurred_at=at
        )
        hear(table, frame([(event, at)]), at)
        told += snapshot.take_changes(table).select("user", "action", "has_action").rows()
    assert told == [("ann", "a", True), (None, "b", True), (None, None, False), (None, None, True)]
