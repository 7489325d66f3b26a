"""Which reminders an operator acts on: those in doubt, and those that have not gone out."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from consumer.clock import Millis
from consumer.ledger.schema.rows import REMINDER, ReminderRow
from consumer.ledger.schema.tables import UNRESOLVED, reminders


@dataclass(frozen=True, slots=True, kw_only=True)
class UnresolvedSelection:
    """One reminder, or all that were last tried from `since` until before `until`; of one process and medium, if
    given."""

    reminder_id: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    process: str | None = None
    medium: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSelection:
    """Unsent reminders that wait for this reason (None: whatever they wait for), requested before `until`; of one
    reminder id, process and medium, if given."""

    until: Millis
    reason: str | None = None
    reminder_id: str | None = None
    process: str | None = None
    medium: str | None = None


def lock_unresolved(connection: Connection, which: UnresolvedSelection, limit: int) -> list[ReminderRow]:
    """Lock the oldest of the selected reminders that are unresolved."""
    r = reminders.c
    query = select(*REMINDER).where(UNRESOLVED, *selected(which)).order_by(r.attempted_at, r.reminder_id)
    return _locked(connection, query, limit)


def count_others_by_status(connection: Connection, which: UnresolvedSelection) -> dict[str, int]:
    """Count by status the selected reminders that are not unresolved.

    Of a span of time only those count of which something is still awaited.
    """
    r = reminders.c
    query = select(r.status, func.count()).where(*selected(which), r.status != "unresolved").group_by(r.status)
    if which.reminder_id is None:
        query = query.where(r.unknown_since.is_not(None))
    return {row[0]: row[1] for row in connection.execute(query)}


def lock_waiting(connection: Connection, which: WaitingSelection, limit: int) -> list[ReminderRow]:
    """Lock the selected reminders that have not gone out and are not about to, those that are due first, first."""
    query = select(*REMINDER).where(*_waiting(which)).order_by(reminders.c.due_at, reminders.c.reminder_id)
    return _locked(connection, query, limit)


def count_waiting(connection: Connection, which: WaitingSelection) -> int:
    """Count the reminders that `lock_waiting` would find."""
    return connection.scalar(select(func.count()).select_from(reminders).where(*_waiting(which))) or 0


def count_unresolved(connection: Connection, which: UnresolvedSelection) -> int:
    """Count the reminders that `lock_unresolved` would find."""
    return connection.scalar(select(func.count()).select_from(reminders).where(UNRESOLVED, *selected(which))) or 0


def selected(which: UnresolvedSelection) -> list[ColumnElement[bool]]:
    """Return the selection as conditions on `tables.reminders`, whatever the status."""
    r = reminders.c
    found = _equal(reminder_id=which.reminder_id, process=which.process, medium=which.medium)
    if which.since is not None:
        found.append(r.attempted_at >= which.since)
    if which.until is not None:
        found.append(r.attempted_at < which.until)
    return found


def _waiting(which: WaitingSelection) -> list[ColumnElement[bool]]:
    r = reminders.c
    equal = _equal(reason=which.reason, reminder_id=which.reminder_id, process=which.process, medium=which.medium)
    return [r.due_at.is_not(None), r.created_at < which.until, *equal]


def _equal(**values: str | None) -> list[ColumnElement[bool]]:
    return [reminders.c[name] == value for name, value in values.items() if value is not None]


def _locked(connection: Connection, query: Select[Any], limit: int) -> list[ReminderRow]:
    return [ReminderRow._make(row) for row in connection.execute(query.limit(limit).with_for_update())]
