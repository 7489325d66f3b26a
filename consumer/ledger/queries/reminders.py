"""Reminders and their attempts: taken under a lock, written back by the batch.

Every `take…` locks what it returns until the transaction ends and passes over what another replica has locked; the
locks are PostgreSQL's, in SQLite the transaction itself is one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, bindparam, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.schema import Table

from consumer.clock import Millis
from consumer.ledger.schema.rows import REMINDER, ReminderRow
from consumer.ledger.schema.tables import attempts, reminders

_CHUNK = 500
"""Values in one IN list; SQLite and PostgreSQL both take more."""

T = TypeVar("T")


def chunks(items: Collection[T]) -> Iterable[Sequence[T]]:
    """The items in pieces that fit into one statement."""
    listed = list(items)
    return (listed[start : start + _CHUNK] for start in range(0, len(listed), _CHUNK))


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what to do about a conflict, in this database's dialect."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _rows(found: Iterable[Sequence[Any]]) -> list[ReminderRow]:
    return [ReminderRow._make(row) for row in found]


def anything_due(connection: Connection, medium: str, now: Millis) -> bool:
    """Whether a reminder waits to be looked at."""
    return bool(connection.scalar(select(exists().where(reminders.c.due_at <= now, reminders.c.medium == medium))))


def take_due(connection: Connection, medium: str, now: Millis, limit: int) -> list[ReminderRow]:
    """Unsent reminders whose moment has come, the longest waiting first."""
    return _take(connection, reminders.c.due_at, now, limit, medium)


def take_leases_over(connection: Connection, now: Millis, limit: int) -> list[ReminderRow]:
    """Reminders in `sending` whose lease has run out."""
    return _take(connection, reminders.c.lease_until, now, limit)


def take_unknown_since(connection: Connection, moment: Millis, limit: int) -> list[ReminderRow]:
    """Reminders that have been unknown since that moment or longer."""
    return _take(connection, reminders.c.unknown_since, moment, limit)


def take_quiet_from(connection: Connection, medium: str, moment: Millis, limit: int) -> list[ReminderRow]:
    """Accepted or sent reminders of which nothing has been heard since that moment or longer."""
    return _take(connection, reminders.c.quiet_from, moment, limit, medium)


def _take(
    connection: Connection, column: ColumnElement[Any], until: Millis, limit: int, medium: str | None = None
) -> list[ReminderRow]:
    waiting = select(*REMINDER).where(column <= until).order_by(column).limit(limit)
    if medium is not None:
        waiting = waiting.where(reminders.c.medium == medium)
    return _rows(connection.execute(waiting.with_for_update(skip_locked=True)))


def take_ids(connection: Connection, ids: Collection[str]) -> list[ReminderRow]:
    """The reminders with these ids, on every medium; waits for those that others have locked."""
    found: list[ReminderRow] = []
    for some in chunks(sorted(ids)):
        query = select(*REMINDER).where(reminders.c.reminder_id.in_(some)).order_by(reminders.c.reminder_id)
        found += _rows(connection.execute(query.with_for_update()))
    return found


def take_related(
    connection: Connection, users: Collection[str], since: Millis, statuses: Sequence[str]
) -> list[ReminderRow]:
    """Reminders of these users that stand at one of these statuses, or whose `last_seen` is `since` or later."""
    found: list[ReminderRow] = []
    for some in chunks(sorted(users)):
        query = select(*REMINDER).where(
            reminders.c.user_id.in_(some),
            (reminders.c.last_seen >= since) | reminders.c.status.in_(statuses),
        )
        found += _rows(connection.execute(query.order_by(reminders.c.reminder_id).with_for_update()))
    return found


def insert_reminders(connection: Connection, rows: Sequence[ReminderRow]) -> None:
    if rows:
        connection.execute(insert(reminders), [row._asdict() for row in rows])


def update_reminders(connection: Connection, changes: Iterable[tuple[ReminderRow, ReminderRow]]) -> None:
    """Write back rows that were taken in this transaction: each as it was, and as it is now.

    Only what changed is written, all rows at once in which the same columns did.
    """
    by_columns: dict[tuple[str, ...], list[dict[str, object]]] = {}
    for before, after in changes:
        assert before.key == after.key
        each = zip(ReminderRow._fields, before, after, strict=True)
        values: dict[str, object] = {name: new for name, old, new in each if new != old}
        if values:
            key = {"key_reminder_id": after.reminder_id, "key_medium": after.medium}
            by_columns.setdefault(tuple(values), []).append(values | key)
    statement = update(reminders).where(
        reminders.c.reminder_id == bindparam("key_reminder_id"), reminders.c.medium == bindparam("key_medium")
    )
    for rows in by_columns.values():
        connection.execute(statement, rows)


def wake(
    connection: Connection,
    reason: str,
    *,
    medium: str | None = None,
    users: Collection[str] | None = None,
    partitions: Collection[int] | None = None,
    process: str | None = None,
) -> int:
    """Deferred rows that waited for this may be looked at now; those that lapsed first, first. Returns how many."""
    waiting = (reminders.c.due_at.is_not(None)) & (reminders.c.reason == reason)
    wakes = update(reminders).where(waiting).values(due_at=func.coalesce(reminders.c.lapsed_at, 0))
    if medium is not None:
        wakes = wakes.where(reminders.c.medium == medium)
    if process is not None:
        wakes = wakes.where(reminders.c.process == process)
    if partitions is not None:
        wakes = wakes.where(reminders.c.partition.in_(sorted(partitions)))
    each = [wakes] if users is None else [wakes.where(reminders.c.user_id.in_(some)) for some in chunks(sorted(users))]
    return sum(connection.execute(statement).rowcount for statement in each)


def take_oldest(connection: Connection, medium: str, reason: str, limit: int) -> list[ReminderRow]:
    """Deferred rows for this reason, those first that are due first."""
    r = reminders.c
    waiting = select(*REMINDER).where(r.due_at.is_not(None), r.reason == reason, r.medium == medium)
    oldest = waiting.order_by(reminders.c.due_at).limit(limit)
    return _rows(connection.execute(oldest.with_for_update(skip_locked=True)))


def journal_attempts(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """New rows of `tables.attempts`."""
    if rows:
        connection.execute(insert(attempts), rows)


def finish_attempts(connection: Connection, ends: Sequence[Mapping[str, object]]) -> None:
    """What became of attempts: mappings with `key` (reminder_id, medium), `number` and the columns to set."""
    if not ends:
        return
    statement = update(attempts).where(
        attempts.c.reminder_id == bindparam("key_reminder_id"),
        attempts.c.medium == bindparam("key_medium"),
        attempts.c.number == bindparam("key_number"),
    )
    connection.execute(statement, [_ending(end) for end in ends])


def _ending(end: Mapping[str, Any]) -> dict[str, object]:
    reminder_id, medium = end["key"]
    values = {name: value for name, value in end.items() if name not in {"key", "number"}}
    return {**values, "key_reminder_id": reminder_id, "key_medium": medium, "key_number": end["number"]}


def reminders_of_messages(connection: Connection, message_ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Message id → (reminder_id, medium), of the messages that are ours."""
    found: dict[str, tuple[str, str]] = {}
    for some in chunks(sorted(message_ids)):
        query = select(attempts.c.message_id, attempts.c.reminder_id, attempts.c.medium)
        for row in connection.execute(query.where(attempts.c.message_id.in_(some))):
            found[row.message_id] = (row.reminder_id, row.medium)
    return found
