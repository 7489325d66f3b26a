"""`lapse ledger begin`: a ledger that knows nothing of what was done before takes over, and sends nothing of it."""

from pathlib import Path

from consumer import log
from consumer.commands import kafka_probe
from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.commands.terminal.output import CheckResult, print_result
from consumer.config.loader import load
from consumer.deliver.operations.ledger_identity import group_name
from consumer.kafka.clients import end_offsets, group_offsets
from consumer.ledger import queries
from consumer.ledger.store import Ledger

_BROKER_SECONDS = 5


def begin(config: Path) -> int:
    """Moves deliver's consumer groups to this ledger: past all reminders, to the beginning of the contacts.

    Raises:
        ConfigError: the settings are not right.
        Failed: the broker does not answer, a deliver is at work, or the ledger is not an empty one.
        LedgerRefused: the ledger cannot be opened.
    """
    settings = load(config)
    log.configure_for_command()
    kafka, topics = settings.kafka, settings.topics
    admin, _ = kafka_probe.connect(kafka, _BROKER_SECONDS)
    ends = end_offsets.ends(admin, topics.reminders)
    beginnings = dict.fromkeys(end_offsets.ends(admin, topics.contacts), 0)
    ledger = Ledger(settings.ledger.url)
    try:
        with ledger.reading() as connection:
            if queries.replicas.next_offsets(connection, topics.reminders):
                raise CommandFailed(
                    "this ledger is not empty: it knows what was asked for, and `lapse run` goes on from there"
                )
        for topic, what, spots in ((topics.reminders, "reminders", ends), (topics.contacts, "contacts", beginnings)):
            group_offsets.move_offsets(kafka, group_name(kafka.group_prefix, what), topic, spots, ledger.id)
        with ledger.transaction() as connection:
            queries.replicas.advance_offsets(connection, topics.reminders, ends)
    except group_offsets.GroupAtWork as problem:
        raise CommandFailed(
            f"deliver is at work, or has been a moment ago ({problem}): stop all of it and wait for a minute"
        ) from None
    finally:
        ledger.close()
    print_result(
        CheckResult(
            True, f"ledger: {ledger.id} begins now; the {sum(ends.values())} records on {topics.reminders} are past"
        )
    )
    return DONE
