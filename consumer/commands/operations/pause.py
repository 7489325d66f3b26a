"""`lapse pause` and `lapse resume`: hold reminders back, and let them go on."""

from contextlib import closing
from pathlib import Path

from consumer import log
from consumer.clock import Millis, SystemClock
from consumer.commands.terminal.account import account
from consumer.commands.terminal.exit_codes import DONE
from consumer.commands.terminal.output import echo
from consumer.commands.terminal.process_argument import no_such_process
from consumer.commands.terminal.time_arguments import format_time
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.config.types import format_duration
from consumer.deliver.operations import pauses
from consumer.ledger import queries
from consumer.ledger.queries.pauses import EVERYTHING
from consumer.ledger.store import Ledger


def pause(config: Path, process: str | None) -> int:
    """Hold back all reminders of this process, or of all. Works whether or not the service is running.

    Raises:
        ConfigError: the settings are not right.
        typer.BadParameter: there is no process of this name.
        LedgerRefused: there is no ledger yet, or it belongs to another version of Lapse.
    """
    settings = load(config)
    with _open_ledger(settings) as ledger, ledger.transaction() as connection:
        before = queries.pauses.paused_since(connection)
        name = _pause_name(process, settings, before)
        queries.pauses.pause(connection, name, now := SystemClock().now())
        queries.operating.journal.add(connection, now, account(), "pause", subject=_label(name))
    if name in before:
        echo(f"{_label(name)} has been paused since {format_time(before[name])} UTC")
    else:
        lives = settings.policy.expire_after
        echo(f"{_label(name)} is paused: reminders wait, and expire {format_duration(lives)} after their lapse")
    return DONE


def resume(config: Path, process: str | None) -> int:
    """End the pause of this process, or of everything: reminders that waited go out if all other checks pass.

    Raises the same as `pause`.
    """
    settings = load(config)
    with _open_ledger(settings) as ledger, ledger.transaction() as connection:
        before = queries.pauses.paused_since(connection)
        name = _pause_name(process, settings, before)
        waited = pauses.resume(connection, name)
        queries.operating.journal.add(
            connection, SystemClock().now(), account(), "resume", subject=_label(name), count=waited
        )
    if name not in before:
        echo(f"{_label(name)} was not paused")
    else:
        echo(f"{_label(name)} is resumed; reminders that waited for it: {waited}")
    for other in sorted(before.keys() - {name}):
        echo(f"still paused: {_label(other)} (lapse resume{other and ' ' + other})")
    return DONE


def _open_ledger(settings: Settings) -> "closing[Ledger]":
    log.configure_for_command()
    return closing(Ledger(settings.ledger.url, beside=True))


def _pause_name(process: str | None, settings: Settings, paused: dict[str, Millis]) -> str:
    """Return the name under which the pause is stored. A process that is no longer in the file can still be resumed."""
    if process is None:
        return EVERYTHING
    if process not in {*settings.processes, *paused} or not process:
        raise no_such_process(process, settings.processes, "PROCESS")
    return process


def _label(name: str) -> str:
    return name or "everything"
