"""What a start now would do: how long after `remind_after` it asks, and how many people the first minute concerns.

The newest events go through detect's own rules, as a first start would read them.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from consumer.clock import MINUTE, Millis
from consumer.commands.terminal.output import CheckResult
from consumer.config.settings import Settings
from consumer.config.types import format_duration, format_millis, millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import AskedFrom, LapseRules, Processes
from consumer.detect.table import AdvanceResult, Table

_MUCH = 0.5
"""A delay of more than this share of a step is worth a word."""


@dataclass(frozen=True, slots=True)
class FirstMinute:
    """How many lapses a first start asks for, the people among them who could be written to, and how many lapses it
    only counts because they lie before it."""

    asked: int
    written_to: int
    only_counted: int


def first_minute(
    frames: Sequence[pl.DataFrame], rules: LapseRules, reachable: Set[str], *, now: Millis, backfill: Millis
) -> FirstMinute:
    """Run decoded events (as `activity.decoder.Decoded.frame`) through a table, up to a minute from now."""
    table = Table(Processes(rules))
    table.row_rules.ask_from(AskedFrom(start=now - backfill))
    for frame in frames:
        table.apply(ActivityBatch.of(frame, table.processes.known), now)
    results = [table.advance_to(moment, moment) for moment in (now, now + MINUTE)]
    asked = [reminder for result in results for reminder in result.reminders()]
    people = {reminder.user_id for reminder in asked} & reachable
    return FirstMinute(len(asked), len(people), sum(map(_only_counted, results)))


def check_start(start: FirstMinute, backfill: timedelta, *, reaches_back: Millis | None) -> CheckResult:
    """Tell it; `reaches_back` is the span of the sample, None if all events were read."""
    text = f"a first start now: at most {start.written_to:,} people are written to in the first minute"
    setting = f"source.backfill: {format_duration(backfill)}"
    parts = [f"{start.only_counted:,} lapses of before it are only counted ({setting})"]
    if reaches_back is not None:
        span = format_millis(reaches_back - reaches_back % MINUTE)
        parts.append(f"by the newest events, which reach back {span}")
    figures = {"asked": start.asked, "written_to": start.written_to, "only_counted": start.only_counted}
    return CheckResult(True, text, "; ".join(parts), figures)


def check_delay(s: Settings) -> CheckResult:
    """Tell how long after the last activity each process asks, which is later than its first step says."""
    late, hush = s.detect.allowed_lateness, s.detect.hush
    spans = {name: (process.remind_after[0], process.remind_after[0] + late) for name, process in s.processes.items()}
    said = (f"after {format_duration(b)} instead of {format_duration(a)} ({name})" for name, (a, b) in spans.items())
    longest = format_duration(min(hush, max(first for first, _ in spans.values())))
    text = (
        f"delay: detect waits {format_duration(late)} for late events (detect.allowed_lateness), so the first reminder"
        f" is requested {', '.join(said)}; a record that comes late puts it off until {longest} after that"
        " (detect.hush)"
    )
    much = any(late > _MUCH * first for first, _ in spans.values())
    advice = "lower detect.allowed_lateness if your events come sooner than that" if much else ""
    figures = {name: {"remind_after_ms": millis(a), "asked_after_ms": millis(b)} for name, (a, b) in spans.items()}
    return CheckResult(True, text, advice, figures)


def _only_counted(result: AdvanceResult) -> int:
    return sum(count for (_, _, outcome), count in result.lapses.items() if outcome == "before_start")
