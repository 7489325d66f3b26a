"""Gaps: from an activity to the next sign of life, censored at the end and at a message."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.clock import DAY, HOUR, SECOND
from consumer.insight.return_curve import GapCounts, ReturnCurve
from consumer.insight.whole_history.activities import pick
from consumer.insight.whole_history.gaps import GapsOfProcess, find_gaps
from consumer.records import ActivityKind, Ending, UserActivity
from tests.insight.whole_history.columns import Send, activities_of

KINDS = {Ending.NONE: ActivityKind.PROGRESSED, Ending.COMPLETED: ActivityKind.COMPLETED}
KNOWN = pl.Enum(["checkout", "signup"])
FAR = 1_000
"""Seconds: beyond all ends."""
Row = tuple[str, int, Ending]
rows = st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 40), st.sampled_from(list(KINDS))))
sends = st.lists(st.tuples(st.sampled_from(["ann", "bob", "cé"]), st.just("checkout"), st.integers(0, 50)), max_size=6)


def gaps_of(rows: list[Row], sends: list[Send], until: int) -> GapsOfProcess:
    """Return the gaps of the process `checkout`; rows are user, time and ending."""
    history = [
        (UserActivity(event_id="e", user_id=u, process="checkout", kind=KINDS[e], occurred_at=t), t) for u, t, e in rows
    ]
    found, gaps = find_gaps(activities_of(history, KNOWN, sends), until), GapsOfProcess()
    if found.keys.size:
        gaps.add(pick(found, found.processes == 0))
    return gaps


def test_gap_ends_with_an_activity_or_an_ending_and_an_ending_begins_none() -> None:
    rows = [("ann", 0, Ending.NONE), ("ann", HOUR, Ending.COMPLETED), ("ann", DAY, Ending.NONE)]
    counts = gaps_of(rows, [], 2 * DAY).counts
    assert (counts.ended.sum(), counts.censored.sum()) == (1, 1)


def test_gap_is_censored_at_the_end_of_the_history() -> None:
    counts = gaps_of([("ann", 0, Ending.NONE)], [], DAY).counts
    assert (counts.ended.sum(), counts.censored.sum()) == (0, 1)


def test_gap_is_censored_where_a_message_went_out() -> None:
    rows = [(user, at, Ending.NONE) for user in ("ann", "bob") for at in (0, DAY)]
    gaps = gaps_of(rows, [("ann", "checkout", 2 * HOUR)], 2 * DAY)
    assert (gaps.counts.ended.sum(), gaps.counts.censored.sum(), gaps.cut_by_messages) == (1, 3, 1)


def test_message_before_the_last_activity_or_about_another_process_cuts_nothing() -> None:
    rows = [("ann", HOUR, Ending.NONE), ("ann", DAY, Ending.NONE)]
    assert gaps_of(rows, [("ann", "checkout", 0), ("ann", "signup", 2 * HOUR)], 2 * DAY).counts.ended.sum() == 1


def test_curve_of_gaps_is_the_share_still_away() -> None:
    rows = [(f"user-{n}", 0, Ending.NONE) for n in range(400)]
    rows += [(f"user-{n}", HOUR + n, Ending.NONE) for n in range(100)]
    curve = ReturnCurve(gaps_of(rows, [], 9 * DAY).counts)
    away = curve.still_away(2 * HOUR)
    assert away is not None
    assert away.value == pytest.approx(400 / 500, abs=0.001)


@given(rows, sends, st.integers(20, 60))
def test_gaps_equal_a_plain_loop(rows: list[Row], sends: list[Send], until: int) -> None:
    """In seconds, so that each length has a bin of its own."""
    found = gaps_of([(u, t * SECOND, e) for u, t, e in rows], [(u, p, t * SECOND) for u, p, t in sends], until * SECOND)
    lengths: list[tuple[str, int, bool]] = []
    cut = 0
    for user in sorted({user for user, _, _ in rows}):
        mine = sorted((at, place, ending) for place, (who, at, ending) in enumerate(rows) if who == user)
        for place, (at, _, ending) in enumerate(mine):
            if ending is Ending.NONE and at <= until:
                back = mine[place + 1][0] if place + 1 < len(mine) else FAR
                sent = min((when for who, _, when in sends if who == user and when >= at), default=FAR)
                end = min(back, sent, until)
                lengths.append((user, end - at, back == end))
                cut += sent == end != back
    expected = GapCounts()
    if lengths:
        expected.add(
            *(np.array(column, kind) for column, kind in zip(columns_of(lengths), (int, bool, int), strict=True))
        )
    longest = [max(length for who, length, _ in lengths if who == user) for user in {user for user, _, _ in lengths}]
    expected.add_people(np.array(longest, int) * SECOND)
    assert (found.counts.ended.sum(axis=0) == expected.ended.sum(axis=0)).all()
    assert (found.counts.censored.sum(axis=0) == expected.censored.sum(axis=0)).all()
    assert (found.counts.people == expected.people).all()
    assert found.cut_by_messages == cut


def columns_of(lengths: list[tuple[str, int, bool]]) -> tuple[list[int], list[bool], list[int]]:
    return [length * SECOND for _, length, _ in lengths], [ended for *_, ended in lengths], [0 for _ in lengths]
