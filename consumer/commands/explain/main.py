"""`lapse explain`: why somebody got a message, or did not."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
import typer
from confluent_kafka import KafkaException
from sqlalchemy import Connection

from consumer import log
from consumer.activity.errors import RegistryUnavailable
from consumer.clock import Millis
from consumer.commands import kafka_probe
from consumer.commands.explain import show, topic
from consumer.commands.terminal.exit_codes import DONE, FAILED, CommandFailed
from consumer.config.loader import ledger_hash_key, load
from consumer.config.settings import Settings
from consumer.config.types import millis
from consumer.deliver.recipients.identity import phone_hash, subjects_of
from consumer.deliver.recipients.person import Person, read_people
from consumer.insight.activity_history import Activity, replay_activities
from consumer.insight.story import Known, tell
from consumer.kafka.clients.error_codes import in_words
from consumer.kafka.dead_letters.topic_reader import StillOpen
from consumer.ledger import queries
from consumer.ledger.errors import NoLedger
from consumer.ledger.schema.rows import ContactRow
from consumer.ledger.store import Ledger
from consumer.records import WHATSAPP
from consumer.wiring import detect
from consumer.wiring.shared import Shared

_BROKER_TIMEOUT_S = 3
_MAX_REMINDERS = 200

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whom it is about: one of `user_id`, `reminder_id` and `message_id`. `since` limits the activities."""

    user_id: str | None = None
    process: str | None = None
    reminder_id: str | None = None
    message_id: str | None = None
    since: Millis | None = None


@dataclass(slots=True)
class _Found:
    """What the ledger knows."""

    user_id: str
    zone: ZoneInfo
    known: Known
    facts: list[str] = field(default_factory=list)
    partitions: set[int] = field(default_factory=set)
    watermarks: dict[int, Millis] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def main(config: Path, question: Question, *, as_json: bool, reveal: bool) -> int:
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
        with (
            closing(Ledger(settings.ledger.url, hash_key=ledger_hash_key(settings), read_only=True)) as ledger,
            ledger.reading() as connection,
        ):
            found = _ask_ledger(connection, ledger.hash_key, settings, question, now, reveal=reveal)
    except NoLedger as missing:
        if question.user_id is None:
            raise CommandFailed(str(missing)) from None
        found = _Found(question.user_id, ZoneInfo(settings.policy.timezone), Known(now=now))
        found.notes.append(f"{missing}: the story is the topic's alone")
    activities = _read_topic(shared, found, question, now)
    watermark = min((found.watermarks.get(n, now) for n in found.partitions or found.watermarks), default=now)
    known = replace(
        found.known,
        activities=activities,
        replay=replay_activities(found.user_id, activities or [], detect.rules(settings), watermark),
        watermark=watermark,
    )
    clock = show.clock_of(found.zone)
    stories = [each for each in tell(known, settings.processes, clock) if question.process in {None, each.process}]
    story = show.PersonStory(found.user_id, str(found.zone), found.facts, stories, found.notes)
    typer.echo(show.as_json(story) if as_json else show.as_text(story, clock))
    if reveal:
        logger.warning("phone_revealed", user=found.user_id)
    return DONE if stories else FAILED


def _ask_ledger(
    connection: Connection, hash_key: bytes, settings: Settings, question: Question, now: Millis, *, reveal: bool
) -> _Found:
    user_id = _user(connection, question)
    rows = queries.reporting.history.reminders_of(connection, user_id, question.process, _MAX_REMINDERS)
    ids = {row.reminder_id for row in rows}
    contact = queries.contacts.by_user(connection, [user_id]).get(user_id)
    people = read_people(
        {} if contact is None else {user_id: contact},
        settings.policy.default_region,
        with_zones=True,
        text_check=settings.policy.text_check,
    )
    person = people.get(user_id, Person())
    found = _Found(
        user_id,
        person.zones[0] if len(person.zones) == 1 else ZoneInfo(settings.policy.timezone),
        Known(
            now=now,
            reminders=rows,
            attempts=queries.reporting.history.attempts_of(connection, ids),
            transitions=queries.reporting.history.transitions_of(connection, ids),
        ),
        partitions={row.partition for row in rows},
        watermarks=queries.replicas.watermarks(connection),
    )
    if len(rows) == _MAX_REMINDERS:
        found.notes.append(f"only the latest {_MAX_REMINDERS} reminders are shown")
    subjects = subjects_of(user_id, phone_hash(person.phone, hash_key) if person.phone else None)
    opted_out = queries.opt_outs.opted_out_since(connection, subjects)
    holds = queries.recipients.active_holds(connection, subjects, WHATSAPP, now)
    clock = show.clock_of(found.zone)
    found.facts += _contact_facts(contact, person, settings, reveal=reveal)
    if opted_out:
        found.facts.append("opted out: nothing is sent")
    found.facts += [f"held until {clock(hold.until)}: {hold.reason}" for hold in holds.values()]
    for name, since in queries.pauses.paused_since(connection).items():
        found.facts.append(f"an operator has paused {name or 'everything'} since {clock(since)}")
    return found


def _user(connection: Connection, question: Question) -> str:
    if question.user_id is not None:
        return question.user_id
    if question.reminder_id is not None:
        found = queries.reporting.history.user_of_reminder(connection, question.reminder_id)
    else:
        found = queries.reporting.history.user_of_message(connection, question.message_id or "")
    if found is None:
        raise CommandFailed("the ledger has no such reminder or message: it may be older than ledger.keep")
    return found


def _contact_facts(contact: ContactRow | None, person: Person, settings: Settings, *, reveal: bool) -> Iterator[str]:
    if contact is None:
        yield "no contact: nothing can be sent until the contacts topic has one"
        return
    if person.error is not None:
        yield f"the contact cannot be read ({person.error})"
        return
    name = person.name or settings.policy.default_name
    yield f"name: {(name if reveal else 'usable') if name else 'none that can be used'}"
    phone = None if person.phone is None else (person.phone if reveal else f"…{person.phone[-3:]}")
    yield f"phone: {phone or ('cannot be a phone number' if person.bad_phone else 'none')}"
    yield f"consent: {'given' if person.opt_in else 'not given'}"


def _read_topic(shared: Shared, found: _Found, question: Question, now: Millis) -> list[Activity] | None:
    """Return the user's activities; None, and a note, if the topic cannot be read."""
    settings = shared.settings
    since = now - _lookback(settings) if question.since is None else question.since
    since = max(0, since)
    try:
        kafka_probe.connect(settings.kafka, _BROKER_TIMEOUT_S)
        activities = topic.activities_of(shared, found.user_id, found.partitions, since)
    except (CommandFailed, KafkaException, RegistryUnavailable, StillOpen) as problem:
        why = in_words(problem.args[0]) if isinstance(problem, KafkaException) else str(problem)
        found.notes.append(f"{settings.source.topic} was not read: {why}")
        return None
    clock = show.clock_of(found.zone)
    found.notes.append(f"{settings.source.topic} was read from {clock(since)} on; earlier with --since")
    return activities


def _lookback(settings: Settings) -> Millis:
    """Return how far back an activity can still matter now: the longest rung, and the life of its reminder."""
    longest: Sequence[Millis] = [millis(each.remind_after[-1]) for each in settings.processes.values()]
    return max(longest) + millis(settings.policy.expire_after) + millis(settings.detect.allowed_lateness)
