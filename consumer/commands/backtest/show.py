"""Writes a backtest as tables on a terminal, or as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from consumer.clock import Millis
from consumer.commands.terminal.time_arguments import format_minute
from consumer.config.types import format_duration
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
    if result.cut_by_messages:
        console.print(
            f"{result.cut_by_messages:.1%} of them got messages meanwhile: their silences count up to the message",
            markup=False,
        )
    heads = ("process", "quiet for", "asked", "expired", "sent", "capped", "too soon", *_BACK)
    rows = [
        (s.process, span_text(s.after), s.asked, s.expired, s.sent, s.capped, s.too_soon, *_percents(s.returns))
        for s in result.steps
    ]
    _print_table(console, "Steps", heads, rows)
    columns = ("process", "quiet for", "messages a day", *_BACK)
    more = [
        (t.process, span_text(t.after), f"{t.messages_a_day:,.1f}", *_percents(t.needless)) for t in result.thresholds
    ]
    _print_table(console, "Other thresholds, and who would have come back without a message", columns, more)


def as_json(results: Mapping[str, Backtest]) -> str:
    """Return the results by the name of their configuration. Spans and times are milliseconds; curve rows are
    [seconds, share still away, lower, upper, people at risk]."""
    return json.dumps({name: asdict(result) for name, result in results.items()}, ensure_ascii=False)


def percent(estimate: Estimate | None) -> str:
    """Return a share with its band: 12 % (10–14)."""
    if estimate is None:
        return "–"
    return f"{estimate.value:.0%} ({estimate.lower:.0%}–{estimate.upper:.0%})"


def span_text(span: Millis) -> str:
    """Return a span as it is written in the configuration: 24h."""
    return format_duration(timedelta(milliseconds=span))


_BACK = ("back: 1 h", "1 day", "1 week")


def _percents(estimates: Mapping[str, Estimate | None]) -> list[str]:
    """Return shares with half the width of their bands, as narrow as a terminal needs."""
    return [
        "–" if each is None else f"{each.value:.0%} ±{100 * max(each.upper - each.value, each.value - each.lower):.0f}"
        for each in estimates.values()
    ]


def _print_table(console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="left" if head == heads[0] else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    console.print()
    console.print(table)
