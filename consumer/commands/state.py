"""`lapse state rebuild`: says what it would do, and with `--yes` does it."""

from pathlib import Path

import typer

from consumer import log
from consumer.activity.errors import RegistryUnavailable, SchemaRefused
from consumer.clock import SystemClock
from consumer.commands import kafka_probe
from consumer.commands.terminal.exit_codes import DONE, Failed
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.kafka.changelog.rebuild import RebuildPlan, RebuildRefused, add_state_partitions, plan
from consumer.kafka.clients.transactional_producer import Aborted, Fenced
from consumer.records import Reminder, ReminderKind
from consumer.wiring import detect
from consumer.wiring.shared import Shared

_BROKER_SECONDS = 5


def rebuild(config: Path, *, yes: bool) -> int:
    """Prints what it is about; the exit status.

    Raises:
        ConfigError: the settings are not right.
        Failed: the broker does not answer, detect is at work, or nothing could be written.
    """
    settings = load(config)
    log.configure_quietly()
    admin, _ = kafka_probe.reach(settings.kafka, _BROKER_SECONDS)
    group = detect.group_name(settings)
    try:
        found = plan(
            admin,
            lambda: detect.consumer(settings.kafka, {"group.id": f"{group}-restore", "fetch.wait.max.ms": 10}),
            topic=settings.source.topic,
            state_topic=settings.state_topic,
            reminders_topic=settings.topics.reminders,
            group=group,
            now=SystemClock().now(),
        )
    except RebuildRefused as why:
        raise Failed(str(why)) from None
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
        "What is unsent and not asked for again is no longer wanted.",
        *(["Nobody is asked who was last seen before the input was given more partitions."] if found.grown_at else []),
        "Until it has caught up, deliver defers everything (detect_behind).",
    ]


def _rebuilt(settings: Settings) -> bytes:
    """What deliver is told. Raises Failed."""
    shared = Shared(settings)
    now = shared.clock.now()
    record = Reminder(kind=ReminderKind.REBUILT, occurred_at=now, detected_at=now)
    try:
        return shared.codec.encode(record, settings.topics.reminders)
    except (RegistryUnavailable, SchemaRefused) as problem:
        raise Failed(f"nothing was changed: {problem}") from None


def _write(settings: Settings, found: RebuildPlan) -> None:
    """All partitions at once, with the offsets: a reader of the state finds all of it, or nothing."""
    consumer = detect.consumer(settings.kafka, {"group.id": found.group})  # never joins: it only names the group
    producer = detect.producer(settings.kafka, f"{found.group}-rebuild")
    try:
        producer.take_over()
        outputs = found.outputs(settings.topics.reminders, _rebuilt(settings))
        producer.write(outputs, offsets=found.offsets(), consumer=consumer)
    except Aborted as aborted:
        raise Failed(f"nothing was changed: the broker refused the transaction ({aborted}). Run it again") from None
    except Fenced:
        raise Failed("another rebuild has begun: let that one finish") from None
    finally:
        consumer.close()
