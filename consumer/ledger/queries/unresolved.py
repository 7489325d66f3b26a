"""Reminders of which nobody could find out whether they went out, for an operator to settle."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select, text

from consumer.clock import Millis
from consumer.ledger.schema.rows import REMINDER, ReminderRow
from consumer.ledger.schema.tables import reminders

_UNRESOLVED = reminders.c.status == text("'unresolved'")  # (as in the index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """One reminder, or all that were last tried from `since` until before `until`."""

    reminder_id: str | None = None
    since: Millis | None = None
    until: Millis | None = None


def take(connection: Connection, which: Which, limit: int) -> list[ReminderRow]:
    """The oldest of them that are unresolved, locked."""
    r = reminders.c
    query = select(*REMINDER).where(_UNRESOLVED, *_named(which)).order_by(r.attempted_at, r.reminder_id)
    return [ReminderRow(*row) for row in connection.execute(query.limit(limit).with_for_update())]


def others(connection: Connection, which: Which) -> dict[str, int]:
    """By status: how many of them are not unresolved. Of a span only those that are still looked for count."""
    r = reminders.c
    query = select(r.status, func.count()).where(*_named(which), r.status != "unresolved").group_by(r.status)
    if which.reminder_id is None:
        query = query.where(r.unknown_since.is_not(None))
    return {row[0]: row[1] for row in connection.execute(query)}


def counts(connection: Connection) -> dict[str, int]:
    """How many are `unknown` and still looked for, and how many are `unresolved`."""
    unknown = select(func.count()).where(reminders.c.unknown_since.is_not(None))
    unresolved = select(func.count()).select_from(reminders).where(_UNRESOLVED)
    asked = {"unknown": unknown, "unresolved": unresolved}
    return {name: connection.scalar(query) or 0 for name, query in asked.items()}


def _named(which: Which) -> list[ColumnElement[bool]]:
    r = reminders.c
    found = []
    if which.reminder_id is not None:
        found.append(r.reminder_id == which.reminder_id)
    if which.since is not None:
        found.append(r.attempted_at >= which.since)
    if which.until is not None:
        found.append(r.attempted_at < which.until)
    return found
