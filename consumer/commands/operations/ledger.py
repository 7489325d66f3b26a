"""`lapse ledger begin`: starts with an empty ledger after another one was lost, and sends nothing from before."""

from contextlib import closing
from pathlib import Path

from consumer import log
from consumer.clock import SystemClock
from consumer.commands import kafka_probe
from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.commands.terminal.output import CheckResult, print_line, print_result
from consumer.config.loader import ledger_hash_key, load
from consumer.deliver.operations import ledger_restore
from consumer.deliver.operations.ledger_identity import group_name
from consumer.kafka.clients import group_offsets, partition_offsets
from consumer.ledger import queries
from consumer.ledger.store import Ledger

_BROKER_TIMEOUT_S = 5


def key(config: Path) -> int:
    """Print the key that this ledger has inside, for `ledger.hash_key`. Return the exit status.

    Raises:
        ConfigError: the settings are not right.
        CommandFailed: the key is kept outside already.
        LedgerRefused: there is no ledger.
    """
    settings = load(config)
    log.configure_for_command()
    if settings.ledger.hash_key is not None:
        raise CommandFailed("ledger.hash_key is set: the key is kept there")
    with closing(Ledger(settings.ledger.url, read_only=True)) as ledger:
        print_line(ledger.hash_key.hex())
    return DONE


def begin(config: Path) -> int:
    """Move deliver's consumer groups: behind the last reminder, and to the beginning of the contacts.

    Raises:
        ConfigError: the settings are not right.
        CommandFailed: the broker does not answer, a deliver is running, or the ledger is not empty.
        LedgerRefused: the ledger cannot be opened.
    """
    settings = load(config)
    log.configure_for_command()
    kafka, topics = settings.kafka, settings.topics
    admin, _ = kafka_probe.connect(kafka, _BROKER_TIMEOUT_S)
    ends = partition_offsets.fetch_all(admin, topics.reminders)
    beginnings = dict.fromkeys(partition_offsets.fetch_all(admin, topics.contacts), 0)
    ledger = Ledger(settings.ledger.url, hash_key=ledger_hash_key(settings))
    try:
        with ledger.reading() as connection:
            if queries.replicas.next_offsets(connection, topics.reminders):
                raise CommandFailed(
                    "this ledger is not empty: it records earlier reminders, and `lapse run` continues from there"
                )
        for topic, group, offsets in ((topics.reminders, "reminders", ends), (topics.contacts, "contacts", beginnings)):
            group_offsets.move(kafka, group_name(kafka.group_prefix, group), topic, offsets, ledger.id)
        with ledger.transaction() as connection:
            queries.replicas.advance_offsets(connection, topics.reminders, ends)
            queries.sequences.put_first_sequence(connection, ledger_restore.first_sequence(SystemClock().now()))
    except group_offsets.GroupAtWork as problem:
        raise CommandFailed(
            f"deliver is running, or was a moment ago ({problem}): stop it everywhere, wait a minute, and try again"
        ) from None
    finally:
        ledger.close()
    print_result(
        CheckResult(
            True, f"ledger: {ledger.id} begins now; it skips the {sum(ends.values())} records on {topics.reminders}"
        )
    )
    return DONE
