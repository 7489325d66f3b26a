"""What happened to one person's reminders: the rows, their attempts and what was published of them."""

from collections.abc import Collection
from dataclasses import dataclass, fields

from sqlalchemy import Connection, select

from consumer.clock import Millis
from consumer.ledger.queries.outbox import TRANSITION, Transition
from consumer.ledger.queries.statements import chunks
from consumer.ledger.schema.rows import REMINDER, ReminderRow
from consumer.ledger.schema.tables import attempts, outbox, reminders


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One request to a provider; the fields are columns of `tables.attempts`."""

    reminder_id: str
    medium: str
    number: int
    started_at: Millis
    outcome: str
    reason: str | None
    error_code: int | None
    error: str | None
    message_id: str | None


_ATTEMPT = [attempts.c[field.name] for field in fields(AttemptRow)]


def user_of_reminder(connection: Connection, reminder_id: str) -> str | None:
    """Return whose reminder this is; None if there is none of this id."""
    query = select(reminders.c.user_id).where(reminders.c.reminder_id == reminder_id).limit(1)
    return connection.scalar(query)


def user_of_message(connection: Connection, message_id: str) -> str | None:
    """Return to whom a message of this id was sent; None if it is none of ours, or too old."""
    return connection.scalar(select(attempts.c.user_id).where(attempts.c.message_id == message_id).limit(1))


def reminders_of(connection: Connection, user_id: str, process: str | None, limit: int) -> list[ReminderRow]:
    """Return the latest reminders of a user, of every medium, the oldest lapse first."""
    query = select(*REMINDER).where(reminders.c.user_id == user_id)
    if process is not None:
        query = query.where(reminders.c.process == process)
    latest = query.order_by(reminders.c.last_seen.desc(), reminders.c.step.desc()).limit(limit)
    return [ReminderRow._make(row) for row in connection.execute(latest)][::-1]


def attempts_of(connection: Connection, reminder_ids: Collection[str]) -> list[AttemptRow]:
    """Return all attempts of these reminders, in order."""
    found: list[AttemptRow] = []
    for some in chunks(reminder_ids):
        query = select(*_ATTEMPT).where(attempts.c.reminder_id.in_(some)).order_by(attempts.c.started_at)
        found += [AttemptRow(*row) for row in connection.execute(query)]
    return found


def transitions_of(connection: Connection, reminder_ids: Collection[str]) -> list[Transition]:
    """Return all published transitions of these reminders, in order."""
    found: list[Transition] = []
    for some in chunks(reminder_ids):
        query = select(*TRANSITION).where(outbox.c.reminder_id.in_(some)).order_by(outbox.c.id)
        found += [Transition(*row) for row in connection.execute(query)]
    return found


def all_sends(connection: Connection) -> list[tuple[str, str, Millis]]:
    """Return (user, process, moment) of every attempt that may have gone out, in no order."""
    query = select(attempts.c.user_id, attempts.c.process, attempts.c.started_at)
    rows = connection.execute(query.where(attempts.c.may_have_been_sent.is_(True)))
    return [(row[0], row[1], row[2]) for row in rows]
