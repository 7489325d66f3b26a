"""Reminders of which nobody knows whether they went out, for an operator to settle."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from consumer.clock import Millis
from consumer.ledger.rows import REMINDER, ReminderRow
from consumer.ledger.tables import reminders

_STATUSES = ("unknown", "unresolved")


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """One reminder, or all that were last tried from `since` until before `until`."""

    reminder_id: str | None = None
    since: Millis | None = None
    until: Millis | None = None


def take(connection: Connection, which: Which, limit: int) -> list[ReminderRow]:
    """The oldest of them, locked."""
    r = reminders.c
    query = select(*REMINDER).where(r.status.in_(_STATUSES))
    if which.reminder_id is not None:
        query = query.where(r.reminder_id == which.reminder_id)
    if which.since is not None:
        query = query.where(r.attempted_at >= which.since)
    if which.until is not None:
        query = query.where(r.attempted_at < which.until)
    found = connection.execute(query.order_by(r.attempted_at, r.reminder_id).limit(limit).with_for_update())
    return [ReminderRow(*row) for row in found]
