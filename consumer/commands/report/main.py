"""`lapse report`: what became of the reminders of a span of time, and what they brought."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

import typer

from consumer import log
from consumer.clock import DAY, Millis, SystemClock
from consumer.commands.report import show
from consumer.commands.terminal.exit_codes import DONE
from consumer.commands.terminal.output import print_text
from consumer.commands.terminal.process_argument import no_such_process
from consumer.config.loader import load
from consumer.config.types import millis
from consumer.insight import report
from consumer.insight.published_backtest import PublishedBacktest, parse
from consumer.ledger import queries
from consumer.ledger.store import Ledger
from consumer.wiring.deliver.settings import money_of

DEFAULT_SPAN: Millis = 30 * DAY

Format = Literal["text", "json", "csv"]


def main(
    config: Path, *, since: Millis | None, until: Millis | None, process: str | None, difference: float, form: Format
) -> int:
    """Print the report.

    Raises:
        ConfigError: the settings are not right.
        typer.BadParameter: there is no such process, or the span is empty.
        LedgerRefused: there is no ledger yet, or it belongs to another version of Lapse.
    """
    settings = load(config)
    log.configure_for_command()
    now = SystemClock().now()
    until = now if until is None else until
    since = until - DEFAULT_SPAN if since is None else since
    if since >= until:
        raise typer.BadParameter("--since must be before --until")
    with closing(Ledger(settings.ledger.url, read_only=True)) as ledger, ledger.reading() as connection:
        episodes = queries.episodes.counts(connection, since, until, process)
        known = {*settings.processes, *(each.process for each in episodes)}
        if process is not None and process not in known:
            raise no_such_process(process, known, "--process")
        delivered = queries.reporting.report.delivered(connection, since, until, process)
        found = report.Report(
            since=since,
            until=until,
            steps=report.steps_of(queries.reporting.report.funnel(connection, since, until, process)),
            reasons=report.reasons_of(episodes),
            failures=queries.reporting.report.failures(connection, since, until, process),
            delays=report.quantiles(queries.reporting.report.lapse_to_send(connection, since, until, process)),
            uplifts=report.uplifts_of(
                queries.episodes.arms(connection, since, until, process, over_before=now), now, difference
            ),
            currency=settings.prices.currency if settings.prices else None,
            money=money_of(settings.prices, settings.processes, delivered),
            backtest=_of_process(parse(queries.reporting.backtests.latest(connection)), process),
        )
    if form == "text":
        show.print_text(found, difference, kept_from=now - millis(settings.ledger.keep))
    else:
        print_text(show.as_json(found) if form == "json" else show.as_csv(found), nl=form == "json")
    return DONE


def _of_process(published: PublishedBacktest | None, process: str | None) -> PublishedBacktest | None:
    """Return what was published about one process, or about all."""
    if published is None or process is None:
        return published
    found = published.backtest
    only = replace(
        found,
        silences=[each for each in found.silences if each.process == process],
        steps=[each for each in found.steps if each.process == process],
        thresholds=[each for each in found.thresholds if each.process == process],
        curves={name: rows for name, rows in found.curves.items() if name == process},
    )
    return replace(published, backtest=only)
