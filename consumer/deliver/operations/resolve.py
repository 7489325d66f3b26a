"""An operator's word on attempts of which nobody could find out what became of them."""

from collections.abc import Sequence

from consumer.deliver.lifecycle import AttemptAccepted, ConfirmedUnsent, NoChange, StatusSource
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.reminders import UnresolvedSelection
from consumer.ledger.schema.rows import ReminderRow

MOST = 500
"""Reminders settled in one transaction."""


def resolve(work: UnitOfWork, which: UnresolvedSelection, *, sent: bool) -> list[ReminderRow]:
    """Settle at most MOST of these reminders that are unresolved. Returns them as they stand now.

    What was sent is accepted, without an id, and that is its last record. What was not sent is planned again, and
    has to pass all the checks once more.
    """
    rows = queries.reminders.lock_unresolved(work.connection, which, MOST)
    work.add_locked(rows)
    settled = [row for row in rows if not isinstance(work.apply_event(row.key, _word(sent)), NoChange)]
    queries.attempts.record_outcomes(work.connection, [_end(row, work.now, sent=sent) for row in settled])
    return _now(work, settled)


def _word(sent: bool) -> AttemptAccepted | ConfirmedUnsent:
    return AttemptAccepted(None, StatusSource.OPERATOR) if sent else ConfirmedUnsent()


def _end(row: ReminderRow, now: int, *, sent: bool) -> dict[str, object]:
    outcome = "accepted" if sent else "rejected"
    said = {"outcome": outcome, "may_have_gone": sent, "reason": "by_operator", "finished_at": now}
    return {"key": row.key, "number": row.attempts, **said}


def _now(work: UnitOfWork, rows: Sequence[ReminderRow]) -> list[ReminderRow]:
    return [row for row in map(work.get, (each.key for each in rows)) if row is not None]
