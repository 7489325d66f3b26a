"""The curve of counted gaps: against exact Kaplan-Meier, its bands against the truth, and where it keeps silent."""

import numpy as np
import numpy.typing as npt
import pytest

from consumer.clock import DAY, HOUR, SECOND, Millis
from consumer.insight.return_curve import GROUPS, LONGEST, GapCounts, ReturnCurve, groups_of


def kaplan_meier(lengths: npt.NDArray[np.int64], ended: npt.NDArray[np.bool_], after: Millis) -> float:
    """Return the exact share still away at `after`."""
    times = np.unique(lengths[ended & (lengths <= after)])
    ordered = np.sort(lengths)
    at_risk = ordered.size - np.searchsorted(ordered, times, side="left")
    back = np.searchsorted(np.sort(lengths[ended]), times, side="right") - np.searchsorted(
        np.sort(lengths[ended]), times, side="left"
    )
    return float(np.prod(1 - back / at_risk))


def random_gaps(number: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return gaps with a median of some hours, three of ten of them censored, of users with 20 gaps each."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, number // 20, number)
    pace = rng.normal(0, 1, number // 20)[users]
    away = np.exp(rng.normal(np.log(5 * HOUR), 1.5, number) + pace)
    until = rng.exponential(3 * DAY, number)
    groups = groups_of(users.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32))
    return np.minimum(away, until).astype(np.int64), away <= until, groups


def curve_of(*batches: tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.int64]]) -> ReturnCurve:
    counts = GapCounts()
    for batch in batches:
        counts.add(*batch)
        counts.add_people(batch[0])  # as if each gap were another person's
    return ReturnCurve(counts)


@pytest.mark.parametrize("after", [90 * SECOND, HOUR, 7 * HOUR, 2 * DAY, 6 * DAY])
def test_counted_in_bins_it_is_close_to_exact_kaplan_meier(after: Millis) -> None:
    lengths, ended, groups = random_gaps(200_000, seed=3)
    found = curve_of((lengths, ended, groups)).still_away(after)
    assert found is not None
    assert found.value == pytest.approx(kaplan_meier(lengths, ended, after), abs=0.0005)
    assert found.lower < found.value < found.upper


def test_batches_add_up() -> None:
    lengths, ended, groups = random_gaps(20_000, seed=4)
    half = 7_000
    whole = curve_of((lengths, ended, groups))
    parts = curve_of((lengths[half:], ended[half:], groups[half:]), (lengths[:half], ended[:half], groups[:half]))
    assert whole.rows() == parts.rows()


def test_returns_within_a_day_are_those_of_the_people_still_quiet() -> None:
    lengths = np.repeat(np.array([HOUR, 10 * HOUR, 40 * DAY]), 1_000)
    found = curve_of((lengths, lengths < DAY, np.arange(3_000) % GROUPS)).returns_within(2 * HOUR, DAY)
    assert found is not None
    assert found.value == pytest.approx(0.5, abs=0.001)


def test_nothing_is_said_where_fewer_than_a_hundred_people_are_left() -> None:
    lengths = np.concatenate([np.full(5_000, HOUR), np.full(99, 3 * DAY)])
    curve = curve_of((lengths, np.ones(5_099, bool), np.arange(5_099) % GROUPS))
    assert curve.still_away(DAY) is None
    assert curve.returns_within(30 * 60 * SECOND, DAY) is None
    assert all(at_risk >= 100 for *_, at_risk in curve.rows())


def test_nothing_is_said_beyond_the_longest_gap_and_of_no_gaps_at_all() -> None:
    assert curve_of().still_away(HOUR) is None
    assert curve_of().rows() == []
    years = np.full(1_000, 700 * DAY)
    assert curve_of((years, np.zeros(1_000, bool), np.arange(1_000) % GROUPS)).still_away(LONGEST + 1) is None


def test_the_shortest_gaps_are_counted() -> None:
    lengths = np.array([0, 1, SECOND - 1, SECOND] * 100)
    assert GapCounts().total == 0
    curve = curve_of((lengths, np.ones(400, bool), np.arange(400) % GROUPS))
    assert int(curve.at_risk[0]) == 400


@pytest.mark.slow
def test_the_band_covers_the_truth_though_each_user_gives_many_gaps() -> None:
    truth = curve_of(random_gaps(2_000_000, seed=0)).still_away(8 * HOUR)
    assert truth is not None
    covered = 0
    for seed in range(1, 101):
        found = curve_of(random_gaps(10_000, seed=seed)).still_away(8 * HOUR)
        assert found is not None
        covered += found.lower <= truth.value <= found.upper
    assert covered >= 88  # of 100; a band for independent gaps covers about 60


def test_gaps_of_few_people_say_nothing_however_many_they_are() -> None:
    counts = GapCounts()
    counts.add(np.full(10_000, 2 * HOUR), np.ones(10_000, bool), np.arange(10_000) % 50)
    counts.add_people(np.full(50, 2 * HOUR))
    curve = ReturnCurve(counts)
    assert curve.people_left(HOUR) == 50
    assert (curve.still_away(HOUR), curve.gaps_longer_than(HOUR), curve.rows()) == (None, None, [])


def test_gaps_that_a_message_cut_count_among_those_that_would_last_longer() -> None:
    lengths = np.concatenate([np.full(9_000, 2 * HOUR), np.full(1_000, 9 * DAY)])  # nine of ten are cut at two hours
    found = curve_of((lengths, np.zeros(10_000, bool), np.arange(10_000) % GROUPS)).gaps_longer_than(DAY)
    assert found == pytest.approx(10_000)
