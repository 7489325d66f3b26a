"""`lapse resolve`: the operator's word on reminders of which nobody could find out whether they went out."""

from dataclasses import replace
from pathlib import Path

import typer
from prometheus_client import CollectorRegistry

from consumer import log
from consumer.clock import Millis, SystemClock
from consumer.commands.terminal import time_arguments
from consumer.commands.terminal.exit_codes import DONE, FAILED
from consumer.config.loader import load
from consumer.deliver.operations.resolve import MOST, resolve
from consumer.deliver.unit_of_work import unit_of_work
from consumer.ledger import queries
from consumer.ledger.queries.reminders import UnresolvedSelection
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics


def parse_time(text: str) -> Millis:
    """Milliseconds of an ISO 8601 time with a zone. Raises typer.BadParameter."""
    found = time_arguments.parse_iso_time(text, zone=None)
    if found is None:
        raise typer.BadParameter(f"{text}: write a time with its zone, such as 2026-03-01T09:00+01:00 or …T08:00Z")
    return found


def main(config: Path, which: UnresolvedSelection, *, sent: bool) -> int:
    """Settles those that are unresolved, says how many that were, and returns the exit status: 1 if there were none.

    It works beside a running service, which publishes what was said. What was tried after it began is left alone,
    so that a reminder that goes out again meanwhile is not settled by a word about the attempt before.

    Raises:
        ConfigError: the settings are not right.
        LedgerRefused: there is no ledger yet, or another version of Lapse keeps it.
    """
    settings = load(config)
    log.configure_for_command()
    clock, metrics = SystemClock(), DeliverMetrics(CollectorRegistry())
    began = clock.now()
    which = replace(which, until=began if which.until is None else min(which.until, began))
    ledger = Ledger(settings.ledger.url, beside=True)
    number, last = 0, MOST
    try:
        with ledger.reading() as connection:
            others = queries.reminders.count_others_by_status(connection, which)
        while last == MOST:
            with unit_of_work(ledger, metrics, clock.now()) as work:
                rows = resolve(work, which, sent=sent)
            for row in rows:
                typer.echo(f"{row.reminder_id} {row.status}")
            last = len(rows)
            number += last
    finally:
        ledger.close()
    _say(number, others, sent=sent)
    return DONE if number else FAILED


def _say(number: int, others: dict[str, int], *, sent: bool) -> None:
    what = "noted as sent" if sent else "to be tried again, after all the checks"
    typer.echo(f"{number} {what}" if number else "none of these is unresolved: nothing was changed", err=not number)
    for status, count in sorted(others.items()):
        why = "still being looked for, see tracking.give_up_after" if status == "unknown" else "nothing to settle"
        typer.echo(f"{count} left alone: {status}, {why}", err=True)
