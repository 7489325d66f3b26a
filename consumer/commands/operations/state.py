"""`lapse state rebuild`: shows what it would do, and with `--yes` does it."""

from pathlib import Path

from consumer import log
from consumer.activity.errors import RegistryUnavailable, SchemaRefused
from consumer.clock import SystemClock
from consumer.commands import kafka_probe
from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.commands.terminal.output import echo
from consumer.commands.terminal.time_arguments import format_time
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.config.types import format_duration
from consumer.kafka.changelog.rebuild import RebuildPlan, RebuildRefused, add_state_partitions, plan
from consumer.kafka.clients.transactional_producer import Aborted, Fenced
from consumer.records import Reminder, ReminderKind
from consumer.wiring import detect
from consumer.wiring.shared import Shared

_BROKER_TIMEOUT_S = 5


def rebuild(config: Path, *, yes: bool) -> int:
    """Print what would be done, and do it if `yes`; return the exit status.

    Raises:
        ConfigError: the settings are not right.
        CommandFailed: the broker does not answer, detect is running, or nothing could be written.
    """
    settings = load(config)
    log.configure_for_command()
    admin, _ = kafka_probe.connect(settings.kafka, _BROKER_TIMEOUT_S)
    try:
        found = plan(
            admin,
            lambda: detect.state_consumer(settings),
            topic=settings.source.topic,
            state_topic=settings.state_topic,
            reminders_topic=settings.topics.reminders,
            group=detect.group_name(settings),
            ladders=detect.rules(settings).ladders,
            state_key=detect.state_key(settings),
            now=SystemClock().now(),
        )
    except RebuildRefused as refusal:
        raise CommandFailed(str(refusal)) from None
    for line in _plan_lines(found, settings):
        echo(line)
    if not yes:
        echo("Nothing was changed. To do this, run the command again with --yes.")
        return DONE
    add_state_partitions(admin, found)
    _write(settings, found)
    echo("Done. Start detect again: it reads from these offsets.")
    return DONE


def _plan_lines(found: RebuildPlan, settings: Settings) -> list[str]:
    spans = [f"  partition {n}: from offset {begin} to {found.ends[n]}" for n, begin in sorted(found.begins.items())]
    more = len(found.begins) - found.remembered
    return [
        f"Detect drops the state on {found.state_topic} and reads everything that {found.topic} still has:",
        *spans,
        *([f"  {found.state_topic} gets {more} more partitions"] if more else []),
        f"Lapses older than policy.expire_after ({format_duration(settings.policy.expire_after)}) get no reminder.",
        *_start_lines(found),
        "A reminder that was requested before gets the same id, which the ledger knows: nobody gets it twice.",
        "A reminder that is unsent and not requested again is cancelled.",
        *(["Users who were last seen before the input got more partitions get none."] if found.grown_at else []),
        "Until detect has caught up, deliver defers all reminders (detect_behind).",
    ]


def _start_lines(found: RebuildPlan) -> list[str]:
    """Say from when on lapses count, and why that is believed."""
    if found.sealed_by is None:
        return ["Nothing is remembered of the first start: older lapses than that get a reminder too."]
    start, lines = found.asked_from.start, []
    if start is not None and start > 0:
        lines.append(
            f"Lapses from before {format_time(start)} UTC are only counted: the first start looked back to then."
        )
    if found.sealed_by == "another_key":
        lines.append(
            "(So say records that were sealed with another topics.state_key: check it if you have not changed it.)"
        )
    return lines


def _rebuilt_record(settings: Settings) -> bytes:
    """Return the record that tells deliver of the rebuild. Raises CommandFailed."""
    shared = Shared(settings)
    now = shared.clock.now()
    record = Reminder(kind=ReminderKind.REBUILT, occurred_at=now, detected_at=now)
    try:
        return shared.codec.encode(record, settings.topics.reminders)
    except (RegistryUnavailable, SchemaRefused) as problem:
        raise CommandFailed(f"nothing was changed: {problem}") from None


def _write(settings: Settings, found: RebuildPlan) -> None:
    """Write all partitions and the offsets in one transaction: a reader of the state finds all of it, or nothing."""
    consumer = detect.consumer(settings.kafka, {"group.id": found.group})  # never joins; it only names the group
    producer = detect.producer(settings.kafka, f"{found.group}-rebuild")
    try:
        producer.take_over()
        outputs = found.outputs(settings.topics.reminders, _rebuilt_record(settings), detect.state_key(settings))
        producer.write(outputs, offsets=found.offsets(), consumer=consumer)
    except Aborted as aborted:
        raise CommandFailed(
            f"nothing was changed: the broker refused the transaction ({aborted}). Run it again"
        ) from None
    except Fenced:
        raise CommandFailed("another rebuild has started: wait until it has finished") from None
    finally:
        consumer.close()
