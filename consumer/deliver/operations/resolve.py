"""Settles attempts of unknown outcome by what an operator found out."""

from collections.abc import Sequence

from sqlalchemy import Connection

from consumer.clock import Millis
from consumer.deliver.lifecycle import AttemptAccepted, ConfirmedUnsent, NoChange, StatusSource
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.operating.journal import Actor
from consumer.ledger.queries.operating.selections import UnresolvedSelection
from consumer.ledger.schema.rows import ReminderRow

MOST = 500
"""Reminders settled in one transaction."""


def resolve(work: UnitOfWork, which: UnresolvedSelection, *, sent: bool, limit: int = MOST) -> list[ReminderRow]:
    """Settle at most `limit` (and MOST) of these reminders that are unresolved. Returns their rows as they are then.

    With `sent` they become accepted without an id, and that is their last record. Otherwise they are planned again and
    have to pass all the checks once more.
    """
    rows = queries.operating.selections.lock_unresolved(work.connection, which, min(limit, MOST))
    settled = [
        row for row in work.add_locked(rows) if not isinstance(work.apply_event(row.key, _event(sent)), NoChange)
    ]
    queries.attempts.record_outcomes(work.connection, [_end(row, work.now, sent=sent) for row in settled])
    return _current(work, settled)


def note(connection: Connection, now: Millis, by: Actor, rows: Sequence[ReminderRow], *, sent: bool) -> None:
    """Journal that somebody settled these reminders; of a single one with its id."""
    if rows:
        subject = rows[0].reminder_id if len(rows) == 1 else None
        detail = "was sent" if sent else "was not sent"
        queries.operating.journal.add(connection, now, by, "resolve", subject=subject, detail=detail, count=len(rows))


def _event(sent: bool) -> AttemptAccepted | ConfirmedUnsent:
    return AttemptAccepted(None, StatusSource.OPERATOR) if sent else ConfirmedUnsent()


def _end(row: ReminderRow, now: int, *, sent: bool) -> dict[str, object]:
    outcome = "accepted" if sent else "rejected"
    changes = {"outcome": outcome, "may_have_been_sent": sent, "reason": "by_operator", "finished_at": now}
    return {"key": row.key, "number": row.attempts, **changes}


def _current(work: UnitOfWork, rows: Sequence[ReminderRow]) -> list[ReminderRow]:
    return [row for row in map(work.get, (each.key for each in rows)) if row is not None]
