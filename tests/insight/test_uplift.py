"""The comparison with the holdout: known intervals, the verdict, and when none is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.clock import DAY
from consumer.insight.uplift import Arm, Effect, confidence_sequence, newcombe_interval, people_needed, uplift


def test_newcombes_interval_is_that_of_his_paper() -> None:
    """56 of 70 against 48 of 80: 0.0524 to 0.3339 (Newcombe, Statistics in Medicine 17, 1998, table II, method 10)."""
    found = newcombe_interval(Arm(70, 56), Arm(80, 48))
    assert [found.lower, found.upper] == pytest.approx([0.0524, 0.3339], abs=5e-5)


def test_a_large_difference_over_many_people_works() -> None:
    assert uplift(Arm(50_000, 12_000), Arm(5_000, 1_000), 30 * DAY).verdict is Effect.WORKS


def test_reminders_may_harm() -> None:
    assert uplift(Arm(50_000, 9_000), Arm(5_000, 1_200), 30 * DAY).verdict is Effect.HARMS


@pytest.mark.parametrize(
    ("asked", "holdout", "age"),
    [
        (Arm(50_000, 12_000), Arm(5_000, 1_000), 7 * DAY - 1),  # the first week
        (Arm(50_000, 12_000), Arm(99, 0), 30 * DAY),  # a holdout of a few people
        (Arm(500, 110), Arm(100, 20), 30 * DAY),  # a difference within chance
        (Arm(0, 0), Arm(100, 20), 30 * DAY),
        (Arm(100, 20), Arm(0, 0), 30 * DAY),
    ],
)
def test_no_verdict_yet(asked: Arm, holdout: Arm, age: int) -> None:
    assert uplift(asked, holdout, age).verdict is Effect.NOT_YET


def test_without_a_holdout_there_is_no_interval() -> None:
    found = uplift(Arm(1_000, 300), Arm(0, 0), 30 * DAY)
    assert (found.interval, found.sequence, found.difference) == (None, None, 0.0)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_both_intervals_hold_the_difference_and_the_sequence_is_finite(n: int, m: int, p: float, q: float) -> None:
    asked, holdout = Arm(n, round(n * p)), Arm(m, round(m * q))
    found = uplift(asked, holdout, 30 * DAY)
    assert found.interval is not None
    assert found.interval.lower - 1e-9 <= found.difference <= found.interval.upper + 1e-9
    sequence = confidence_sequence(asked, holdout)
    assert sequence.lower < found.difference < sequence.upper


def test_people_needed_for_two_points_of_twenty() -> None:
    assert people_needed(0.20, 0.02, holdout_share=0.1) == 35_137
    assert people_needed(0.20, 0.02, holdout_share=0.5) == 13_014


@pytest.mark.parametrize(("baseline", "difference", "share"), [(0.2, 0, 0.1), (0.2, 0.02, 0), (0.99, 0.02, 0.1)])
def test_a_question_without_an_answer_is_refused(baseline: float, difference: float, share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        people_needed(baseline, difference, share)
