"""Writes a backtest as tables on a terminal, or as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console

from consumer.commands.terminal.output import to_json
from consumer.commands.terminal.tables import print_table
from consumer.commands.terminal.time_arguments import format_minute
from consumer.config.types import format_millis
from consumer.insight.backtest import Backtest
from consumer.insight.return_curve import Estimate


def print_tables(name: str, result: Backtest) -> None:
    """Print the result of one configuration."""
    console = Console(highlight=False)
    heading = (
        f"{name}: {result.activities:,} activities of {result.people:,} people,"
        f" {format_minute(result.since)} to {format_minute(result.until)} UTC"
    )
    console.print(heading, markup=False)
    for note in result.notes:
        console.print(f"{note}.", markup=False)
    heads = ("process", "quiet for", "asked", "expired", "sent", "capped", "too soon", *_BACK)
    rows = [
        (s.process, format_millis(s.after), s.asked, s.expired, s.sent, s.capped, s.too_soon, *_percents(s.returns))
        for s in result.steps
    ]
    _print_table(console, "Steps", heads, rows)
    print_thresholds(console, result)


def print_thresholds(console: Console, result: Backtest) -> None:
    """Print the table of thresholds."""
    cost = () if result.price is None else (f"{result.price.currency} a day",)
    more = [
        (
            threshold.process,
            format_millis(threshold.after),
            f"{threshold.messages_a_day:,.1f}",
            *(() if threshold.cost_a_day is None else (f"{threshold.cost_a_day:,.2f}",)),
            *_percents(threshold.needless),
        )
        for threshold in result.thresholds
    ]
    title = "Other thresholds, and who would have come back without a message"
    _print_table(console, title, ("process", "quiet for", "messages a day", *cost, *_BACK), more)
    if result.price:
        console.print(f"costs: {result.price.basis}, if all messages are delivered", markup=False)


def as_json(results: Mapping[str, Backtest]) -> str:
    """Return the results by the name of their configuration. Spans and times are milliseconds; curve rows are
    [seconds, share still away, lower, upper, people at risk]."""
    return to_json({name: asdict(result) for name, result in results.items()})


_BACK = ("back: 1 h", "1 day", "1 week")


def _percents(estimates: Mapping[str, Estimate | None]) -> list[str]:
    """Return shares with half the width of their bands, as narrow as a terminal needs."""
    return [
        "–" if each is None else f"{each.value:.0%} ±{100 * max(each.upper - each.value, each.value - each.lower):.0f}"
        for each in estimates.values()
    ]


def _print_table(console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    console.print()
    print_table(console, title, heads, rows, of_numbers=True)
