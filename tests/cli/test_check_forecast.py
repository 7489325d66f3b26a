"""`lapse check` on what a start now would do."""

from datetime import timedelta
from typing import Any

import polars as pl

from consumer.clock import DAY, HOUR, MINUTE, SECOND
from consumer.commands.check.forecast import FirstMinute, check_delay, check_start, first_minute
from consumer.config.settings import Settings
from consumer.wiring.detect import rules

NOW = 1_790_000_000_000


def settings(**sections: Any) -> Settings:
    process = {"action": "your order", "remind_after": ["2h"]}
    return Settings.model_validate({"processes": {"checkout": process}, **sections})


def frame(*ages: int, process: str = "checkout") -> pl.DataFrame:
    """Return an activity for each age, each of another user: u0, u1, …"""
    seen = [NOW - age for age in ages]
    return pl.DataFrame(
        {
            "user_id": [f"u{n}" for n in range(len(ages))],
            "process": process,
            "ending": pl.Series([0] * len(ages), dtype=pl.UInt8),
            "action": pl.Series([None] * len(ages), dtype=pl.String),
            "occurred_at": seen,
            "written_at": seen,
        }
    )


def foretold(*ages: int, reachable: int = 100, backfill: int = 0, process: str = "checkout") -> FirstMinute:
    people = {f"u{n}" for n in range(reachable)}
    return first_minute([frame(*ages, process=process)], rules(settings()), people, now=NOW, backfill=backfill)


class TestTheFirstMinute:
    def test_past_is_only_counted(self) -> None:
        assert foretold(*[50 * HOUR] * 20) == FirstMinute(0, 0, 20)

    def test_people_who_lapse_within_it_are_written_to_after_the_allowed_lateness(self) -> None:
        assert foretold(2 * HOUR - 29 * SECOND) == FirstMinute(1, 1, 0)
        assert foretold(2 * HOUR - 31 * SECOND) == FirstMinute(0, 0, 0)

    def test_backfill_brings_them_back(self) -> None:
        assert foretold(3 * HOUR, 50 * HOUR, backfill=DAY) == FirstMinute(1, 1, 1)

    def test_people_without_a_contact_are_asked_about_and_not_written_to(self) -> None:
        assert foretold(2 * HOUR, 2 * HOUR, 2 * HOUR, reachable=1) == FirstMinute(3, 1, 0)

    def test_other_processes_do_not_count(self) -> None:
        assert foretold(2 * HOUR, process="other") == FirstMinute(0, 0, 0)

    def test_is_told_with_what_the_sample_lacks(self) -> None:
        line = check_start(FirstMinute(3, 1, 20), timedelta(hours=1), reaches_back=3 * HOUR + MINUTE + 5)
        assert str(line) == (
            "✓ a first start now: at most 1 people are written to in the first minute: 20 lapses of before it are only"
            " counted (source.backfill: 1h); by the newest events, which reach back 3h1m"
        )


class TestTheDelay:
    def test_tells_what_is_added_to_each_process(self) -> None:
        line = check_delay(settings())
        assert "waits 30s for late events (detect.allowed_lateness)" in line.text
        assert "after 2h30s instead of 2h (checkout)" in line.text
        assert "until 15m after that (detect.hush)" in line.text
        assert not line.advice

    def test_advises_where_it_is_much(self) -> None:
        quick = {"checkout": {"action": "your order", "remind_after": ["20s"]}}
        line = check_delay(settings(processes=quick))
        assert "after 50s instead of 20s (checkout)" in line.text
        assert "until 20s after that" in line.text
        assert "lower detect.allowed_lateness" in line.advice
