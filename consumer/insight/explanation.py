"""Asks ledger and topic what is known of one user, and has `story` tell it.

`ask_ledger` first; its result says in which partitions the user's activities are. `tell_person` joins both.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from consumer.clock import DAY, SECOND, YEAR_10000, Millis
from consumer.deliver.policy.personal_text import TextCheck
from consumer.deliver.recipients.identity import email_hash, phone_hash, subjects_of
from consumer.deliver.recipients.person import Person, read_people
from consumer.detect.lapse_rules import LapseRules
from consumer.insight.activity_history import Activity, replay_activities
from consumer.insight.story import Known, ProcessStory, tell
from consumer.ledger import queries
from consumer.ledger.schema.rows import ContactRow
from consumer.records import EMAIL, WHATSAPP

MAX_REMINDERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonQuery:
    """Whom it is about: one of `user_id`, `reminder_id` and `message_id`. `since` limits the activities."""

    user_id: str | None = None
    process: str | None = None
    reminder_id: str | None = None
    message_id: str | None = None
    since: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRules:
    """How contacts are read: the part of the policy that names, phones and zones depend on."""

    default_region: str | None = None
    default_name: str | None = None
    timezone: str = "UTC"
    text_check: TextCheck = "strict"


@dataclass(frozen=True, slots=True)
class PersonStory:
    """Everything that is shown. `facts` are sentences about the contact; `notes` say what could not be looked at."""

    user_id: str
    zone: str
    facts: Sequence[str]
    processes: Sequence[ProcessStory]
    notes: Sequence[str]


@dataclass(slots=True)
class Found:
    """What the ledger knows."""

    user_id: str
    zone: ZoneInfo
    known: Known
    facts: list[str] = field(default_factory=list)
    partitions: set[int] = field(default_factory=set)
    watermarks: dict[int, Millis] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def clock_of(zone: ZoneInfo) -> Callable[[Millis], str]:
    """Return a function that writes a time on the clock of this zone; one that no calendar has as its number."""

    def show(at: Millis) -> str:
        if not 0 <= at < YEAR_10000 - DAY:
            return f"{at} ms since 1970"
        return datetime.fromtimestamp(at / SECOND, zone).strftime("%a %d %b %Y %H:%M:%S")

    return show


def user_of(connection: Connection, question: PersonQuery) -> str | None:
    """Return whom the question is about; None if the ledger has no such reminder or message."""
    history = queries.reporting.history
    if question.user_id is not None:
        return question.user_id
    if question.reminder_id is not None:
        return history.user_of_reminder(connection, question.reminder_id)
    return history.user_of_message(connection, question.message_id or "")


def ask_ledger(
    connection: Connection,
    hash_key: bytes,
    rules: ContactRules,
    user_id: str,
    now: Millis,
    *,
    process: str | None = None,
    reveal: bool = False,
) -> Found:
    """Return what the ledger knows of a user; with `reveal` the facts name the person and show the number."""
    history = queries.reporting.history
    rows = history.reminders_of(connection, user_id, process, MAX_REMINDERS)
    ids = {row.reminder_id for row in rows}
    contact, person = read_contact(connection, rules, user_id)
    found = Found(
        user_id,
        person.zones[0] if len(person.zones) == 1 else ZoneInfo(rules.timezone),
        Known(
            now=now,
            reminders=rows,
            attempts=history.attempts_of(connection, ids),
            transitions=history.transitions_of(connection, ids),
        ),
        partitions={row.partition for row in rows},
        watermarks=queries.replicas.watermarks(connection),
    )
    if len(rows) == MAX_REMINDERS:
        found.notes.append(f"only the latest {MAX_REMINDERS} reminders are shown")
    mailbox = email_hash(person.email, hash_key) if person.email else None
    subjects = subjects_of(user_id, phone_hash(person.phone, hash_key) if person.phone else None)
    opted_out = queries.opt_outs.opted_out_since(connection, subjects)
    holds = queries.recipients.active_holds(connection, subjects, WHATSAPP, now)
    clock = clock_of(found.zone)
    found.facts += _contact_facts(contact, person, rules, reveal=reveal)
    if opted_out:
        found.facts.append("opted out: nothing is sent")
    elif queries.opt_outs.opted_out_since(connection, subjects_of(None, None, mailbox)):
        found.facts.append("somebody with this e-mail address opted out: no e-mail is sent")
    held = (f"held until {clock(hold.until)}: {hold.reason}" for each in holds.values() for hold in each)
    found.facts += dict.fromkeys(held)  # of user and phone, often by the same
    for each in queries.recipients.active_holds(connection, subjects_of(None, None, mailbox), EMAIL, now).values():
        found.facts += (f"no e-mail until {clock(hold.until)}: {hold.reason}" for hold in each)
    for name, since in queries.pauses.paused_since(connection).items():
        found.facts.append(f"an operator has paused {name or 'everything'} since {clock(since)}")
    return found


def read_contact(connection: Connection, rules: ContactRules, user_id: str) -> tuple[ContactRow | None, Person]:
    """Return the user's contact, if there is one, and what can be read in it."""
    contact = queries.contacts.by_user(connection, [user_id]).get(user_id)
    people = read_people(
        {} if contact is None else {user_id: contact},
        rules.default_region,
        with_zones=True,
        text_check=rules.text_check,
    )
    return contact, people.get(user_id, Person())


def tell_person(
    found: Found,
    activities: list[Activity] | None,
    rules: LapseRules,
    processes: Iterable[str],
    *,
    process: str | None = None,
) -> PersonStory:
    """Join what the ledger knows and the activities (None: the topic was not read); of one process, if given."""
    now = found.known.now
    watermark = min((found.watermarks.get(n, now) for n in found.partitions or found.watermarks), default=now)
    known = replace(
        found.known,
        activities=activities,
        replay=replay_activities(found.user_id, activities or [], rules, watermark),
        watermark=watermark,
    )
    stories = [each for each in tell(known, processes, clock_of(found.zone)) if process in {None, each.process}]
    return PersonStory(found.user_id, str(found.zone), found.facts, stories, found.notes)


def _contact_facts(contact: ContactRow | None, person: Person, rules: ContactRules, *, reveal: bool) -> Iterator[str]:
    if contact is None:
        yield "no contact: nothing can be sent until the contacts topic has one"
        return
    if person.error is not None:
        yield f"the contact cannot be read ({person.error})"
        return
    name = person.name or rules.default_name
    yield f"name: {(name if reveal else 'usable') if name else 'none that can be used'}"
    phone = None if person.phone is None else (person.phone if reveal else f"…{person.phone[-3:]}")
    yield f"phone: {phone or ('cannot be a phone number' if person.bad_phone else 'none')}"
    yield f"consent: {'given' if person.opt_in else 'not given'}"
