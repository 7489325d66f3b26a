"""`lapse state rebuild`: says what it would do, and with `--yes` does it."""

import threading
from pathlib import Path

import typer

from consumer import log
from consumer.commands import kafka_probe
from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.kafka.changelog.rebuild import RebuildPlan, RebuildRefused, add_state_partitions, plan
from consumer.kafka.clients.transaction import Aborted, Fenced, Transactions
from consumer.wiring import detect

_BROKER_SECONDS = 5


def rebuild(config: Path, *, yes: bool) -> int:
    """Prints what it is about; the exit status.

    Raises:
        ConfigError: the settings are not right.
        Failed: the broker does not answer, detect is at work, or nothing could be written.
    """
    settings = load(config)
    log.configure_for_command()
    admin, _ = kafka_probe.connect(settings.kafka, _BROKER_SECONDS)
    group = detect.group_name(settings)
    try:
        found = plan(admin, topic=settings.source.topic, state_topic=settings.state_topic, group=group)
    except RebuildRefused as why:
        raise CommandFailed(str(why)) from None
    for line in _explained(found, settings):
        typer.echo(line)
    if not yes:
        typer.echo("Nothing was changed. To do it, run it again with --yes.")
        return DONE
    add_state_partitions(admin, found)
    _write(settings, found)
    typer.echo("Done. Start detect again: it reads from there.")
    return DONE


def _explained(found: RebuildPlan, settings: Settings) -> list[str]:
    spans = [f"  partition {n}: from offset {begin} to {found.ends[n]}" for n, begin in sorted(found.begins.items())]
    more = len(found.begins) - found.remembered
    return [
        f"Detect forgets what {found.state_topic} remembers, and reads all that {found.topic} still has:",
        *spans,
        *([f"  {found.state_topic} is given {more} more partitions"] if more else []),
        f"What lapsed longer ago than policy.expire_after ({settings.policy.expire_after}) is counted, not asked for.",
        "What was asked for before is asked for under the same id, which the ledger knows: nobody hears twice.",
        "Until it has caught up, deliver defers everything (detect_behind).",
    ]


def _write(settings: Settings, found: RebuildPlan) -> None:
    """All partitions at once, with the offsets: a reader of the state finds all of it, or nothing."""
    consumer = detect.consumer(settings.kafka, {"group.id": found.group})  # never joins: it only names the group
    transactions = Transactions(detect.producer(settings.kafka, f"{found.group}-rebuild"))
    never = threading.Event()
    try:
        transactions.begin(never)
        transactions.commit(found.outputs(), found.offsets(), consumer, never)
    except Aborted as aborted:
        raise CommandFailed(
            f"nothing was changed: the broker refused the transaction ({aborted}). Run it again"
        ) from None
    except Fenced:
        raise CommandFailed("another rebuild has begun: let that one finish") from None
    finally:
        consumer.close()
