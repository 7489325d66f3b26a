"""The replay of whole batches finds exactly what a model finds that takes one record and one moment at a time."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.detect.table import Table
from consumer.insight import replay as module
from consumer.insight.replay import replay
from consumer.records import ActivityKind, UserActivity
from tests.detect.model import Model
from tests.detect.test_table_against_model import frame

END = 400

events = st.builds(
    UserActivity,
    event_id=st.just("e"),
    user_id=st.sampled_from(["ann", "bob", "cé"]),
    process=st.sampled_from(["signup", "checkout", "unheard-of"]),
    kind=st.sampled_from(ActivityKind),
    action=st.sampled_from([None, "a", "b"]),
    occurred_at=st.integers(0, 200),
)
histories = st.lists(st.tuples(events, st.integers(0, 200)), max_size=40)
rules = st.builds(
    LapseRules,
    ladders=st.sampled_from([{"signup": (10, 25), "checkout": (7,)}, {"signup": (3, 4, 50), "checkout": (30, 31)}]),
    allowed_lateness=st.sampled_from([0, 2]),
    settle=st.sampled_from([0, 4]),
    clock_doubt=st.sampled_from([0, 8]),
    hush=st.sampled_from([0, 5]),
    expire_after=st.sampled_from([20, 60]),
    forget_after=st.just(200),
)


def expected(history: list[tuple[UserActivity, int]], rules: LapseRules) -> tuple[list[str], Counter[object]]:
    """Return the ids that the model asks for, and its lapses, with a watermark that moves by one at a time."""
    model, asked, lapses, clock = Model(rules), list[str](), Counter[object](), 0
    moments = [*history, (None, END)]
    for event, written_at in moments:
        while clock < written_at:
            clock += 1
            _notice(model, clock, asked, lapses)
        if event is not None:
            model.hear([(event, written_at)], clock)
            _notice(model, clock, asked, lapses)
    return sorted(asked), lapses


def _notice(model: Model, clock: int, asked: list[str], lapses: Counter[object]) -> None:
    reminders, counted = model.notice(clock, clock)
    asked += [str(each.reminder_id) for each in reminders]
    lapses.update(counted)


@pytest.mark.slow
@given(histories, rules)
def test_replay_equals_the_model_with_an_ideal_watermark(
    history: list[tuple[UserActivity, int]], rules: LapseRules
) -> None:
    check(history, rules)


@pytest.mark.slow
@given(histories, rules)
def test_the_size_of_the_slices_changes_nothing(history: list[tuple[UserActivity, int]], rules: LapseRules) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SLICE", 7)
        check(history, rules)


def check(history: list[tuple[UserActivity, int]], rules: LapseRules) -> None:
    table, asked, lapses = Table(Processes(rules)), list[str](), Counter[object]()
    written = frame(history) if history else frame([]).cast({"written_at": pl.Int64, "occurred_at": pl.Int64})
    for result in replay(table, written, END):
        asked += [str(each.reminder_id) for each in result.reminders()]
        lapses.update(result.lapses)
    assert (sorted(asked), +lapses) == expected(history, rules)
