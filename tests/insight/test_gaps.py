"""Gaps: from an activity to the next sign of life, censored at the end and at a message."""

import polars as pl
import pytest

from consumer.clock import DAY, HOUR
from consumer.insight.gaps import SENDS, count_gaps
from consumer.insight.return_curve import ReturnCurve
from consumer.records import Ending

NONE = pl.DataFrame(schema=SENDS)


def history(*rows: tuple[str, int, Ending]) -> pl.DataFrame:
    users, times, endings = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "user_id": users,
            "process": ["checkout"] * len(rows),
            "ending": pl.Series([int(each) for each in endings], dtype=pl.UInt8),
            "occurred_at": times,
            "written_at": times,
        }
    )


def test_gap_ends_with_an_activity_or_an_ending_and_an_ending_begins_none() -> None:
    rows = history(("ann", 0, Ending.NONE), ("ann", HOUR, Ending.COMPLETED), ("ann", DAY, Ending.NONE))
    counts = count_gaps(rows, NONE, 2 * DAY)["checkout"].counts
    assert (counts.ended.sum(), counts.censored.sum()) == (1, 1)


def test_gap_is_censored_at_the_end_of_the_history() -> None:
    counts = count_gaps(history(("ann", 0, Ending.NONE)), NONE, DAY)["checkout"].counts
    assert (counts.ended.sum(), counts.censored.sum()) == (0, 1)


def test_gap_is_censored_where_a_message_went_out() -> None:
    rows = history(
        ("ann", 0, Ending.NONE), ("ann", DAY, Ending.NONE), ("bob", 0, Ending.NONE), ("bob", DAY, Ending.NONE)
    )
    sends = pl.DataFrame({"user_id": ["ann"], "process": ["checkout"], "sent_at": [2 * HOUR]}, schema=SENDS)
    gaps = count_gaps(rows, sends, 2 * DAY)["checkout"]
    assert (gaps.counts.ended.sum(), gaps.counts.censored.sum(), gaps.cut_by_messages) == (1, 3, 1)


def test_message_before_the_last_activity_or_about_another_process_cuts_nothing() -> None:
    rows = history(("ann", HOUR, Ending.NONE), ("ann", DAY, Ending.NONE))
    sends = pl.DataFrame(
        {"user_id": ["ann", "ann"], "process": ["checkout", "signup"], "sent_at": [0, 2 * HOUR]}, schema=SENDS
    )
    assert count_gaps(rows, sends, 2 * DAY)["checkout"].counts.ended.sum() == 1


def test_curve_of_gaps_is_the_share_still_away() -> None:
    rows = [(f"user-{n}", 0, Ending.NONE) for n in range(400)]
    rows += [(f"user-{n}", HOUR + n, Ending.NONE) for n in range(100)]
    curve = ReturnCurve(count_gaps(history(*rows), NONE, 9 * DAY)["checkout"].counts)
    away = curve.still_away(2 * HOUR)
    assert away is not None
    assert away.value == pytest.approx(400 / 500, abs=0.001)
