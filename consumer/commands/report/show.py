"""Writes a report for a terminal, as JSON or as CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from enum import Enum

from rich.console import Console

from consumer.clock import SECOND, Millis
from consumer.commands.backtest.show import print_thresholds
from consumer.commands.terminal.output import to_json
from consumer.commands.terminal.tables import print_table
from consumer.commands.terminal.time_arguments import format_minute
from consumer.config.types import format_millis
from consumer.insight.backtest import Threshold
from consumer.insight.published_backtest import PublishedBacktest
from consumer.insight.report import Money, ProcessUplift, Report
from consumer.reasons.catalogue import explain

_EPOCH = date(1970, 1, 1)


def print_text(report: Report, difference: float, *, kept_from: Millis) -> None:
    """Print the report as tables. Of reminders that ended before `kept_from` the ledger knows only counts."""
    console = Console(highlight=False)
    console.print(f"from {format_minute(report.since)} to {format_minute(report.until)}, UTC\n", markup=False)
    if report.steps or report.reasons:
        _print_reminders(console, report, difference)
    else:
        console.print("no reminders were requested in this time: try --since with an earlier time", markup=False)
    if report.since < kept_from:
        console.print(
            f"Funnel, failures and delays are not known of reminders that ended before {format_minute(kept_from)} UTC"
            " (ledger.keep); episodes and the comparison with the holdout are.",
            markup=False,
        )
    if report.backtest is not None:
        _print_backtest(console, report.backtest)


def _print_reminders(console: Console, report: Report, difference: float) -> None:
    _print_table(console, "Funnel", _FUNNEL, (list(asdict(step).values()) for step in report.steps))
    _print_table(console, "Not written to, and why (episodes)", ("process", "reason", "count", ""), _reasons(report))
    failures = ((f.process, f.medium, f.outcome, f.reason, f.error_code, f.count) for f in report.failures)
    _print_table(console, "Attempts that failed", ("process", "medium", "outcome", "reason", "code", "count"), failures)
    delays = ", ".join(f"{name} {_seconds(value)}" for name, value in report.delays.items() if value is not None)
    console.print(f"From lapse to first attempt: {delays or 'nothing was sent'}\n", markup=False)
    for money in report.money:
        console.print(_money(money, report.currency or ""), markup=False)
    for each in report.uplifts:
        for line in _uplift(each, difference):
            console.print(line, markup=False)


def _print_backtest(console: Console, published: PublishedBacktest) -> None:
    found = published.backtest
    console.print(
        f"\nFrom lapse backtest of {format_minute(published.published_at)}, over {published.history},"
        f" {format_minute(found.since)} to {format_minute(found.until)} UTC",
        markup=False,
    )
    print_thresholds(console, found)


def as_json(report: Report) -> str:
    """Return the report as one JSON object. Times and delays are milliseconds."""
    return to_json(asdict(report), indent=2, default=_plain)


def as_csv(report: Report) -> str:
    """Return the report as CSV: one number in each row."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("section", "process", "step", "medium", "day", "name", "value"))
    for step in report.steps:
        for name, value in asdict(step).items():
            if name not in {"process", "step", "medium"}:
                writer.writerow(("funnel", step.process, step.step, step.medium, "", name, value))
    for each in report.reasons:
        writer.writerow(("reasons", each.process, "", "", _day(each.day), each.reason, each.count))
    for failure in report.failures:
        name = "/".join(str(part) for part in (failure.outcome, failure.reason, failure.error_code) if part is not None)
        writer.writerow(("failures", failure.process, "", failure.medium, "", name, failure.count))
    for name, delay in report.delays.items():
        writer.writerow(("lapse_to_send_ms", "", "", "", "", name, delay))
    for money in report.money:
        for name, amount in asdict(money).items():
            if name != "process":
                writer.writerow(("money", money.process, "", "", "", name, amount))
    for found in report.uplifts:
        for name, number in _uplift_numbers(found):
            writer.writerow(("uplift", found.process, "", "", "", name, number))
    for threshold in report.backtest.backtest.thresholds if report.backtest else ():
        for name, number in _threshold_numbers(threshold):
            writer.writerow(("thresholds", threshold.process, "", "", "", name, number))
    return text.getvalue()


_FUNNEL = (
    "process",
    "step",
    "medium",
    "requested",
    "not sent",
    "waiting",
    "sent",
    "unknown",
    "delivered",
    "read",
    "failed",
    "returned",
    "ended",
)


def _reasons(report: Report) -> Iterator[Sequence[object]]:
    totals: dict[tuple[str, str], int] = {}
    for each in report.reasons:
        totals[each.process, each.reason] = totals.get((each.process, each.reason), 0) + each.count
    for (process, reason), count in sorted(totals.items(), key=lambda item: (item[0][0], -item[1])):
        meaning = next((found for status in _STATUSES if (found := explain(status, reason)[0])), "")
        yield process, reason, count, meaning


_STATUSES = ("suppressed", "deferred", "cancelled")


def _print_table(console: Console, title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    if found := [*rows]:
        print_table(console, title, heads, found)
        console.print()


def _money(money: Money, currency: str) -> str:
    cost = f"{money.delivered:,} delivered messages cost {money.cost:,.2f} {currency}"
    if money.break_even is None:
        return f"{money.process}: {cost}; set processes.{money.process}.value to see when they pay"
    pays = f"pays if it brings {money.break_even:,.1f} more completions per 1,000 messages"
    return f"{money.process}: {pays} ({cost})"


def _uplift(found: ProcessUplift, difference: float) -> Iterator[str]:
    asked, holdout = found.uplift.asked, found.uplift.holdout
    yield (
        f"{found.process}: completed within 7 days: {asked.completed} of {asked.episodes} asked,"
        f" {holdout.completed} of {holdout.episodes} held out"
    )
    if found.uplift.interval is None or found.uplift.sequence is None:
        yield "  no comparison: set policy.holdout above 0, and wait until some people were held out and some asked"
        return
    interval, sequence = found.uplift.interval, found.uplift.sequence
    yield (
        f"  difference {found.uplift.difference:+.1%} (95 %: {interval.lower:+.1%} to {interval.upper:+.1%};"
        f" however often you look: {sequence.lower:+.1%} to {sequence.upper:+.1%})"
    )
    yield f"  verdict: {found.uplift.verdict.value}"
    if found.missing is not None and found.missing.people:
        days = "" if found.missing.days is None else f": {found.missing.days:,} days at the present rate"
        yield f"  to find a difference of {difference:.1%}: {found.missing.people:,} more people{days}"


def _uplift_numbers(found: ProcessUplift) -> Iterator[tuple[str, object]]:
    for name, arm in (("asked", found.uplift.asked), ("holdout", found.uplift.holdout)):
        yield f"{name}_episodes", arm.episodes
        yield f"{name}_completed", arm.completed
    yield "difference", found.uplift.difference
    for name, interval in (("interval", found.uplift.interval), ("sequence", found.uplift.sequence)):
        if interval is not None:
            yield f"{name}_lower", interval.lower
            yield f"{name}_upper", interval.upper
    yield "verdict", found.uplift.verdict.value


def _threshold_numbers(threshold: Threshold) -> Iterator[tuple[str, object]]:
    quiet = format_millis(threshold.after)
    yield f"{quiet}/messages_a_day", threshold.messages_a_day
    if threshold.cost_a_day is not None:
        yield f"{quiet}/cost_a_day", threshold.cost_a_day
    for horizon, share in threshold.needless.items():
        if share is not None:
            yield from ((f"{quiet}/needless_{horizon}_{name}", number) for name, number in asdict(share).items())


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(type(value).__name__)


def _day(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()


def _seconds(delay: Millis) -> str:
    return f"{delay / SECOND:,.1f} s" if delay < 600 * SECOND else str(timedelta(seconds=delay // SECOND))
