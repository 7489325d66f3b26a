"""`lapse pause` and `lapse resume`: the operator's hand on what goes out."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import typer

from consumer import log
from consumer.clock import SECOND, Millis, SystemClock
from consumer.commands.terminal.exit_codes import DONE
from consumer.config.errors import closest
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.config.types import format_duration
from consumer.deliver.operations import pauses
from consumer.ledger import queries
from consumer.ledger.queries.pauses import EVERYTHING
from consumer.ledger.store import Ledger


def pause(config: Path, process: str | None) -> int:
    """Nothing of this process, or of any, is sent from now on. Works beside a service, and while there is none.

    Raises:
        ConfigError: the settings are not right.
        typer.BadParameter: there is no such process.
        LedgerRefused: there is no ledger yet, or another version of Lapse keeps it.
    """
    settings = load(config)
    with _ledger(settings) as ledger, ledger.transaction() as connection:
        before = queries.pauses.paused_since(connection)
        name = _named(process, settings, before)
        queries.pauses.pause(connection, name, SystemClock().now())
    if name in before:
        typer.echo(f"{_words(name)} has been paused since {_moment(before[name])}")
    else:
        lives = settings.policy.expire_after
        typer.echo(f"{_words(name)} is paused: reminders wait, and expire {format_duration(lives)} after their lapse")
    return DONE


def resume(config: Path, process: str | None) -> int:
    """What waited for the pause of this process, or of everything, to end goes out if all other checks let it.

    Raises: as `pause`.
    """
    settings = load(config)
    with _ledger(settings) as ledger, ledger.transaction() as connection:
        before = queries.pauses.paused_since(connection)
        name = _named(process, settings, before)
        waited = pauses.resume(connection, name)
    if name not in before:
        typer.echo(f"{_words(name)} was not paused")
    else:
        typer.echo(f"{_words(name)} goes on; reminders that waited for it: {waited}")
    for other in sorted(before.keys() - {name}):
        typer.echo(f"still paused: {_words(other)} (lapse resume{other and ' ' + other})")
    return DONE


@contextmanager
def _ledger(settings: Settings) -> Iterator[Ledger]:
    log.configure_for_command()
    ledger = Ledger(settings.ledger.url, beside=True)
    try:
        yield ledger
    finally:
        ledger.close()


def _named(process: str | None, settings: Settings, paused: dict[str, Millis]) -> str:
    """The name under which the pause is kept. One of a process that has left the file can still be ended."""
    if process is None:
        return EVERYTHING
    known = {*settings.processes, *paused}
    if process not in known or not process:
        meant = closest(process, sorted(settings.processes))
        advice = f"did you mean {meant}?" if meant else f"there are {', '.join(sorted(settings.processes))}"
        raise typer.BadParameter(f"no process is called {process}; {advice}", param_hint="PROCESS")
    return process


def _words(name: str) -> str:
    return name or "everything"


def _moment(at: Millis) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
