"""Trace contexts in detect's state beside a plain model, restarted at every commit: both say the same."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import Processes
from consumer.detect.storage.traces import traceparents, traces_of
from consumer.detect.table import Table
from consumer.records import ActivityKind, UserActivity
from consumer.trace_context import headers_with
from tests.detect.hearing import new_writer
from tests.detect.model import ENDINGS, Written
from tests.detect.test_table_against_model import RULES, frame

from .test_state_against_model import Topic

Traced = tuple[Written, str | None]
"""An event, and the `traceparent` of its record."""


def traceparent(digits: bytes) -> str:
    text = digits.hex()
    return f"00-{text[:32]}-{text[32:48]}-{text[48:]}"


parts = st.sampled_from([b"\0", b"\1", b"\xff"])
contexts = st.builds(
    lambda first, inner, last: traceparent(first + b"\1" * 14 + inner + b"\1" + inner * 7 + last), parts, parts, parts
)
events = st.builds(
    UserActivity,
    event_id=st.just("e"),
    user_id=st.sampled_from(["ann", "bob"]),
    process=st.sampled_from(["checkout", "checkout", "unheard-of"]),
    kind=st.sampled_from([ActivityKind.STARTED, ActivityKind.STARTED, ActivityKind.COMPLETED]),
    occurred_at=st.sampled_from([1, 50]),
)
"""Few users and times, so that many are of the same user at the same time."""
records = st.tuples(events, st.sampled_from([0, 50]))
traced = st.tuples(records, st.none() | contexts)
turns = st.one_of(
    st.tuples(st.just("hear"), st.lists(traced, min_size=1, max_size=12)),
    st.tuples(st.just("hear"), st.lists(st.tuples(records, st.none()), min_size=1, max_size=4)),
    st.tuples(st.just("clock"), st.integers(0, 40)),
)


class Model:
    """For each (user, process) when it was last seen, and that activity's trace context."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], tuple[int, str]] = {}

    def hear(self, batch: list[Traced]) -> None:
        for (event, _), context in batch:
            if event.process in RULES.ladders and event.kind not in ENDINGS:
                key = (event.user_id, event.process)
                # As bytes, the greater of two at the same time: none is the least.
                self.seen[key] = max(self.seen.get(key, (-1, "")), (event.occurred_at, context or ""))

    def trace(self, key: tuple[str, str]) -> str | None:
        return self.seen.get(key, (-1, ""))[1] or None


def hear(table: Table, batch: list[Traced]) -> None:
    activities = ActivityBatch.of(frame([record for record, _ in batch]), table.processes.known)
    if (traces := traces_of([headers_with(context) for _, context in batch])) is not None:
        activities = replace(activities, traces=traces[activities.indices])
    table.apply(activities, 0)


def kept(table: Table) -> dict[tuple[str, str], str | None]:
    rows, c = table.store.live_rows(), table.store
    traces = [None] * rows.size if c.traces is None else traceparents(c.traces[rows])
    names = [table.processes.names[code] for code in c.process[rows]]
    return {(str(user), name): trace for user, name, trace in zip(c.user.get(rows), names, traces, strict=True)}


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(turns, max_size=25), st.booleans())
def test_state_with_traces_equals_the_plain_model(history: list[tuple[str, Any]], compacted: bool) -> None:
    table, writer = Table(Processes(RULES)), new_writer("lapse", RULES.ladders)
    model, topic, clock = Model(), Topic(), 0
    for offset, (turn, what) in enumerate(history):
        if turn == "hear":
            hear(table, what)
            model.hear(what)
        else:
            clock += what
            for batch in table.advance_to(clock, now=clock).asked:
                traces = [None] * len(batch) if batch.traces is None else traceparents(batch.traces)
                asked = [(str(reminder.user_id), batch.process) for reminder in batch]
                assert traces == [model.trace(key) for key in asked]
            model.seen = {key: seen for key, seen in model.seen.items() if key in kept(table)}
        segments = writer.build_segments(table, offset, clock)
        assert {b"trace" in segment.value for segment in segments if segment.value} <= {table.store.traces is not None}
        topic.takes(segments)
        table, writer, *_ = topic.restores(compacted=compacted)
        assert kept(table) == {key: model.trace(key) for key in kept(table)}
        assert (table.store.traces is None) == (not any(kept(table).values()))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(records, min_size=1, max_size=12), max_size=12))
def test_without_traces_the_state_has_no_column_of_them(history: list[list[Written]]) -> None:
    table, writer = Table(Processes(RULES)), new_writer("lapse", RULES.ladders)
    for offset, batch in enumerate(history):
        hear(table, [(record, None) for record in batch])
        for segment in writer.build_segments(table, offset, 0):
            assert b"trace" not in (segment.value or b"")


def test_of_several_at_the_same_time_the_greatest_is_kept_in_any_order() -> None:
    event = UserActivity(
        event_id="e", user_id="ann", process="checkout", kind=ActivityKind.STARTED, action=None, occurred_at=1
    )
    contexts = [traceparent(bytes([n]) * 25) for n in (1, 2, 3)]
    for order in permutations([*contexts, None]):
        together, singly = Table(Processes(RULES)), Table(Processes(RULES))
        hear(together, [((event, 0), context) for context in order])
        for context in order:
            hear(singly, [((event, 0), context)])
        assert kept(together) == kept(singly) == {("ann", "checkout"): contexts[-1]}


def test_each_reminder_has_the_trace_of_its_own_row_and_what_follows_has_none() -> None:
    table = Table(Processes(RULES))
    contexts = {"ann": traceparent(b"\1" * 25), "bob": None, "cem": traceparent(b"\3" * 25)}
    start = UserActivity(event_id="e", user_id="", process="checkout", kind=ActivityKind.STARTED, occurred_at=1)
    hear(table, [((replace(start, user_id=user), 0), context) for user, context in contexts.items()])
    [batch] = table.advance_to(12, now=12).asked
    assert batch.traces is not None
    assert dict(zip([each.user_id for each in batch], traceparents(batch.traces), strict=True)) == contexts
    back = [replace(start, user_id=user, occurred_at=13) for user in contexts]
    [returned] = table.apply(ActivityBatch.of(frame([(event, 13) for event in back]), table.processes.known), 13)
    assert len(returned) == 3
    assert returned.traces is None


def test_rows_that_move_and_end_take_their_traces_with_them() -> None:
    table = Table(Processes(RULES))
    store, rows = table.store, table.store.allocate(4)
    traces = traces_of([headers_with(traceparent(bytes([n]) * 25)) for n in range(1, 5)])
    assert traces is not None
    store.keep_traces()[rows] = traces
    to = store.allocate(2)
    store.move(rows[:2], to)
    store.release(rows[2:3])
    store.reserve(100_000)
    assert store.traces is not None
    assert store.traces.size == store.capacity
    assert store.traces[[*rows, *to]].tolist() == [b"", b"", b"", b"\4" * 25, b"\1" * 25, b"\2" * 25]
    assert not np.any(store.traces[6:])
