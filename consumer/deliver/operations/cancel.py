"""Cancels reminders that have not gone out, because an operator wants it so."""

from consumer.deliver.lifecycle import Cancel, NoChange, StatusSource
from consumer.deliver.operations.resolve import MOST
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.operating.selections import WaitingSelection
from consumer.ledger.schema.rows import ReminderRow


def cancel(work: UnitOfWork, which: WaitingSelection, limit: int = MOST) -> list[ReminderRow]:
    """Cancel at most `limit` of these reminders for good. Returns their rows as they were.

    What is being sent at this moment is not among them: it may have gone out.
    """
    rows = queries.operating.selections.lock_waiting(work.connection, which, min(limit, MOST))
    verdict = Cancel("by_operator", StatusSource.OPERATOR)
    return [row for row in work.add_locked(rows) if not isinstance(work.apply_event(row.key, verdict), NoChange)]
