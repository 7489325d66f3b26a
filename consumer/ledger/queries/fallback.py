"""Reminders that may be carried another way, and what became of them on their other media."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, and_, or_, select

from consumer.clock import Millis
from consumer.ledger.queries.reminders import chunks
from consumer.ledger.schema.rows import REMINDER, ReminderRow
from consumer.ledger.schema.tables import reminders


def take(connection: Connection, now: Millis, limit: int) -> list[ReminderRow]:
    """Rows that ended in a way that another medium may mend, and were not looked at since."""
    waiting = select(*REMINDER).where(reminders.c.fallback_at <= now).order_by(reminders.c.fallback_at).limit(limit)
    return [ReminderRow(*row) for row in connection.execute(waiting.with_for_update(skip_locked=True))]


def anything(connection: Connection, now: Millis) -> bool:
    return connection.scalar(select(reminders.c.fallback_at).where(reminders.c.fallback_at <= now).limit(1)) is not None


def on_all_media(connection: Connection, ids: Collection[str]) -> dict[str, list[ReminderRow]]:
    """By reminder id: its row on each medium. Locks nothing."""
    found: dict[str, list[ReminderRow]] = {}
    for some in chunks(sorted(ids)):
        for each in connection.execute(select(*REMINDER).where(reminders.c.reminder_id.in_(some))):
            row = ReminderRow(*each)
            found.setdefault(row.reminder_id, []).append(row)
    return found


def overtaken(connection: Connection, rows: Sequence[ReminderRow]) -> set[str]:
    """The ids of those whose user has lapsed in the same process since."""
    r = reminders.c
    found: set[str] = set()
    for row in rows:
        later = or_(r.last_seen > row.last_seen, and_(r.last_seen == row.last_seen, r.step > row.step))
        same = r.user_id == row.user_id, r.process == row.process
        if connection.scalar(select(r.reminder_id).where(*same, later, r.lapsed_at.is_not(None)).limit(1)) is not None:
            found.add(row.reminder_id)
    return found
