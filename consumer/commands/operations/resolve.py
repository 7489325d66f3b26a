"""`lapse resolve`: an operator says whether messages with an unknown outcome were sent."""

from dataclasses import replace
from pathlib import Path

import typer
from prometheus_client import CollectorRegistry

from consumer import log
from consumer.clock import Millis, SystemClock
from consumer.commands.terminal import time_arguments
from consumer.commands.terminal.account import account
from consumer.commands.terminal.exit_codes import DONE, FAILED
from consumer.commands.terminal.output import echo, print_line
from consumer.config.loader import ledger_hash_key, load
from consumer.deliver.operations.resolve import MOST, note, resolve
from consumer.deliver.unit_of_work import unit_of_work
from consumer.ledger import queries
from consumer.ledger.queries.operating.selections import UnresolvedSelection
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics


def parse_time(text: str) -> Millis:
    """Return an ISO 8601 time with a zone, in milliseconds. Raises typer.BadParameter."""
    found = time_arguments.parse_iso_time(text, zone=None)
    if found is None:
        raise typer.BadParameter(f"{text}: write a time with its zone, such as 2026-03-01T09:00+01:00 or …T08:00Z")
    return found


def main(config: Path, which: UnresolvedSelection, *, sent: bool) -> int:
    """Settle the unresolved reminders of the selection; print how many; return the exit status: 1 if there were none.

    Works while the service runs, which then publishes the results. Attempts that began after this command are left
    alone: a new attempt of the same reminder must not be settled by what the operator knows about the old one.

    Raises:
        ConfigError: the settings are not right.
        LedgerRefused: there is no ledger yet, or it belongs to another version of Lapse.
    """
    settings = load(config)
    log.configure_for_command()
    clock, metrics = SystemClock(), DeliverMetrics(CollectorRegistry())
    began = clock.now()
    which = replace(which, until=began if which.until is None else min(which.until, began))
    ledger = Ledger(settings.ledger.url, hash_key=ledger_hash_key(settings), beside=True)
    number, last = 0, MOST
    try:
        with ledger.reading() as connection:
            others = queries.operating.selections.count_others_by_status(connection, which)
        while last == MOST:
            with unit_of_work(ledger, metrics, clock.now()) as work:
                rows = resolve(work, which, sent=sent)
                note(work.connection, work.now, account(), rows, sent=sent)
            for row in rows:
                print_line(f"{row.reminder_id} {row.status}")
            last = len(rows)
            number += last
    finally:
        ledger.close()
    _print_summary(number, others, sent=sent)
    return DONE if number else FAILED


def _print_summary(number: int, others: dict[str, int], *, sent: bool) -> None:
    what = "recorded as sent" if sent else "will be tried again, after all checks"
    echo(f"{number} {what}" if number else "none of these reminders is unresolved: nothing was changed", err=not number)
    for status, count in sorted(others.items()):
        why = "Lapse is still searching, see tracking.give_up_after" if status == "unknown" else "its outcome is known"
        echo(f"{count} left alone: {status}, {why}", err=True)
