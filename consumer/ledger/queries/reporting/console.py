"""What an operator looks at: what waits, what is in doubt, what is stopped, and what happened last."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from consumer.clock import Millis
from consumer.ledger.queries.operating.selections import UnresolvedSelection, selected
from consumer.ledger.queries.outbox import TRANSITION, Transition
from consumer.ledger.queries.statements import chunks
from consumer.ledger.schema.channel_tables import channels, holds
from consumer.ledger.schema.rows import CHANNEL, ChannelRow
from consumer.ledger.schema.tables import UNRESOLVED, contacts, inbound_messages, outbox, reminders


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A reminder that may have gone out, or not. No name and no phone."""

    reminder_id: str
    medium: str
    user_id: str
    process: str
    step: int
    status: str
    attempts: int
    attempted_at: Millis | None
    template: str | None
    language: str | None


@dataclass(frozen=True, slots=True)
class WaitingCount:
    """The number of unsent reminders of a process and medium that wait for the same reason; none before the first
    checks."""

    process: str
    medium: str
    reason: str | None
    count: int
    next_at: Millis
    """When the first of them is looked at again."""


@dataclass(frozen=True, slots=True)
class HeldPerson:
    """A hold on a phone (`subject` has its hash), whose users have it, and what they wrote last."""

    subject: str
    medium: str
    until: Millis
    users: tuple[str, ...]
    words: str | None
    said_at: Millis | None


_IN_DOUBT = [reminders.c[field.name] for field in fields(InDoubt)]


def latest_in_doubt(connection: Connection, limit: int, which: UnresolvedSelection | None = None) -> list[InDoubt]:
    """Return reminders that are unknown or unresolved, the latest attempts first; only the selected, if given."""
    found: list[InDoubt] = []
    conditions = selected(which) if which else []
    for condition in (reminders.c.unknown_since.is_not(None), UNRESOLVED):  # one after the other: each has an index
        query = select(*_IN_DOUBT).where(condition, *conditions).order_by(reminders.c.attempted_at.desc()).limit(limit)
        found += [InDoubt(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda row: row.attempted_at or 0, reverse=True)[:limit]


def stopped_channels(connection: Connection) -> list[ChannelRow]:
    """Return channels and templates that 1MSG has refused and that are not open again."""
    query = select(*CHANNEL).where(channels.c.stopped_because.is_not(None)).order_by(channels.c.name)
    return [ChannelRow(*row) for row in connection.execute(query)]


def waiting_counts(connection: Connection) -> list[WaitingCount]:
    """Count the reminders that have not gone out, by what they wait for; the most frequent first."""
    r, count = reminders.c, func.count()
    query = select(r.process, r.medium, r.reason, count, func.min(r.due_at)).where(r.due_at.is_not(None))
    key = (r.process, r.medium, r.reason)
    return [WaitingCount(*row) for row in connection.execute(query.group_by(*key).order_by(count.desc(), *key))]


def latest_transitions(connection: Connection, limit: int) -> list[Transition]:
    """Return what was published last, the newest first."""
    newest = select(func.max(outbox.c.id)).scalar_subquery()
    query = select(*TRANSITION).where(outbox.c.id > newest - 50 * limit)
    return [Transition(*row) for row in connection.execute(query.order_by(outbox.c.id.desc()).limit(limit))]


def held_people(connection: Connection, reason: str, now: Millis, limit: int) -> list[HeldPerson]:
    """Return the holds with this reason that are in force, those that end first, first."""
    h = holds.c
    query = select(h.subject, h.medium, h.until).where(_held_phones(reason, now)).order_by(h.until).limit(limit)
    return _held_people(connection, connection.execute(query).all())


def held_person(connection: Connection, reason: str, subject: str, medium: str, now: Millis) -> HeldPerson | None:
    """Return the hold on this subject with this reason; None if none is in force."""
    h = holds.c
    query = select(h.subject, h.medium, h.until).where(h.subject == subject, h.medium == medium)
    found = connection.execute(query.where(h.until > now, h.reason == reason)).all()
    return next(iter(_held_people(connection, found)), None)


def count_held(connection: Connection, reason: str, now: Millis) -> int:
    """Count the holds with this reason that are in force."""
    query = select(func.count()).where(_held_phones(reason, now))
    return connection.scalar(query) or 0


def _held_phones(reason: str, now: Millis) -> ColumnElement[bool]:
    """Return what finds the holds of phones; those of the users behind them follow them."""
    h = holds.c
    return and_(h.until > now, h.reason == reason, h.subject.startswith("phone:"))


def _held_people(connection: Connection, held: Sequence[Sequence[Any]]) -> list[HeldPerson]:
    """Return the people behind these holds (subject, medium, until), in their order."""
    c, m = contacts.c, inbound_messages.c
    users: dict[str, list[str]] = {}
    said: dict[str, tuple[str | None, Millis | None]] = {}
    for some in chunks([subject.removeprefix("phone:") for subject, _, _ in held]):
        theirs = select(c.phone_hash, c.user_id).where(c.phone_hash.in_(some)).order_by(c.user_id)
        for hashed, user_id in connection.execute(theirs):
            users.setdefault(f"phone:{hashed}", []).append(user_id)
        words = select(m.phone_hash, m.body, m.at).where(m.phone_hash.in_(some)).order_by(m.received_at)
        said.update((f"phone:{row[0]}", (row[1], row[2])) for row in connection.execute(words))  # the last one stays
    return [
        HeldPerson(subject, medium, until, tuple(users.get(subject, ())), *said.get(subject, (None, None)))
        for subject, medium, until in held
    ]
