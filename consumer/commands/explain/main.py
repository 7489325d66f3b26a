"""`lapse explain`: why somebody got a message, or did not."""

from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from confluent_kafka import KafkaException

from consumer import log
from consumer.activity.errors import RegistryUnavailable
from consumer.clock import Millis
from consumer.commands import kafka_probe, topic_history
from consumer.commands.explain import show
from consumer.commands.terminal.account import account
from consumer.commands.terminal.exit_codes import DONE, FAILED, CommandFailed
from consumer.commands.terminal.output import print_text
from consumer.config.loader import ledger_hash_key, load
from consumer.config.settings import Settings
from consumer.insight.activity_history import Activity
from consumer.insight.explanation import Found, PersonQuery, ask_ledger, clock_of, tell_person, user_of
from consumer.insight.story import Known
from consumer.kafka.dead_letters.topic_reader import StillOpen
from consumer.ledger import queries
from consumer.ledger.errors import NoLedger
from consumer.ledger.store import Ledger
from consumer.wiring import activity_reader, detect
from consumer.wiring.deliver.settings import contact_rules
from consumer.wiring.shared import Shared

_BROKER_TIMEOUT_S = 3

logger = structlog.get_logger()


def main(config: Path, question: PersonQuery, *, as_json: bool, reveal: bool) -> int:
    """Print the story. Return the exit status: 1 if nothing is known of the user.

    Raises:
        ConfigError: the settings are not right.
        CommandFailed: no reminder or message has this id.
        LedgerRefused: the ledger belongs to another version of Lapse.
    """
    settings = load(config)
    log.configure_for_command()
    shared = Shared(settings)
    now = shared.clock.now()
    try:
        found = _ask(settings, question, now, reveal=reveal)
    except NoLedger as missing:
        if question.user_id is None:
            raise CommandFailed(str(missing)) from None
        found = Found(question.user_id, ZoneInfo(settings.policy.timezone), Known(now=now))
        found.notes.append(f"this is what the topic alone tells: {missing}")
    activities = _read_topic(shared, found, question, now)
    story = tell_person(found, activities, detect.rules(settings), settings.processes, process=question.process)
    print_text(show.as_json(story) if as_json else show.as_text(story, clock_of(found.zone)))
    if reveal:
        logger.warning("phone_revealed", user=found.user_id)
    return DONE if story.processes else FAILED


def _ask(settings: Settings, question: PersonQuery, now: Millis, *, reveal: bool) -> Found:
    """Return what the ledger knows; a reveal is journalled before anything is shown."""
    key, url = ledger_hash_key(settings), settings.ledger.url
    with closing(Ledger(url, hash_key=key, beside=reveal, read_only=not reveal)) as ledger:
        with ledger.reading() as connection:
            user_id = user_of(connection, question)
            if user_id is None:
                raise CommandFailed("the ledger has no such reminder or message: it may be older than ledger.keep")
            found = ask_ledger(
                connection,
                ledger.hash_key,
                contact_rules(settings),
                user_id,
                now,
                process=question.process,
                reveal=reveal,
            )
        if reveal:
            with ledger.transaction() as connection:
                queries.operating.journal.add(connection, now, account(), "reveal", subject=user_id)
    return found


def _read_topic(shared: Shared, found: Found, question: PersonQuery, now: Millis) -> list[Activity] | None:
    """Return the user's activities; None, and a note, if the topic cannot be read."""
    settings = shared.settings
    since = max(0, now - activity_reader.lookback(settings) if question.since is None else question.since)
    coverage = activity_reader.Coverage()
    try:
        kafka_probe.connect(settings.kafka, _BROKER_TIMEOUT_S)
        activities = activity_reader.activities_of(shared, found.user_id, found.partitions, since, coverage)
    except (CommandFailed, KafkaException, RegistryUnavailable, StillOpen) as problem:
        found.notes.append(f"{settings.source.topic} was not read: {kafka_probe.why_not_read(problem)}")
        return None
    clock = clock_of(found.zone)
    found.notes.append(f"{settings.source.topic} was read from {clock(since)} on; earlier with --since")
    found.notes += topic_history.missing(settings.source.topic, coverage, clock)
    return activities
