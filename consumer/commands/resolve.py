"""`lapse resolve`: the operator's word on reminders of which nobody knows whether they went out."""

from datetime import UTC, datetime
from pathlib import Path

import typer
from prometheus_client import CollectorRegistry

from consumer import log
from consumer.clock import SECOND, Millis, SystemClock
from consumer.commands.exits import DONE, FAILED, Failed
from consumer.config_file import load
from consumer.deliver.recording import booking
from consumer.deliver.resolving import MOST, resolve
from consumer.ledger.queries_unresolved import Which
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics


def moment(text: str) -> Millis:
    """Milliseconds of an ISO date or time; UTC where it names no zone. Raises Failed."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise Failed(f"{text} is no moment: write 2026-03-01 or 2026-03-01T09:00+01:00") from None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * SECOND)


def main(config: Path, which: Which, *, sent: bool) -> int:
    """Settles them, prints a line for each, and returns the exit status: 1 if there was none.

    It works beside a running service where the ledger is PostgreSQL. SQLite takes one process: there the service has
    to be stopped first, which the refusal says. Everybody else hears of it when the service publishes.

    Raises:
        ConfigError: the settings are not right.
        LedgerRefused: the ledger cannot be opened, or the service is at work on it.
    """
    settings = load(config)
    log.configure_quietly()
    ledger = Ledger(settings.ledger.url)
    metrics = DeliverMetrics(CollectorRegistry())
    clock, number, last = SystemClock(), 0, MOST
    try:
        while last == MOST:
            with booking(ledger, metrics, clock.wall()) as book:
                rows = resolve(book, which, sent=sent)
            for row in rows:
                typer.echo(f"{row.reminder_id} {row.status}")
            last = len(rows)
            number += last
    finally:
        ledger.close()
    if not number:
        typer.echo("none of these is unknown or unresolved: nothing was changed", err=True)
    return DONE if number else FAILED
