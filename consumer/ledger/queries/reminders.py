"""Reminders: locked in the order they wait, written back by the batch; fallback, unresolved ones and retention."""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from consumer.clock import YEAR_10000, Millis
from consumer.ledger.queries.statements import LIMIT, SOME, chunks
from consumer.ledger.schema.rows import REMINDER, ReminderRow
from consumer.ledger.schema.tables import AWAITED, UNRESOLVED, WAITS_FOR_NOTHING, attempts, outbox, reminders

_BY_IDS = select(*REMINDER).where(reminders.c.reminder_id.in_(SOME))
_LOCK_BY_IDS = _BY_IDS.order_by(reminders.c.reminder_id).with_for_update()
_related = (reminders.c.last_seen >= bindparam("since")) | reminders.c.status.in_(bindparam("statuses", expanding=True))
_of_users = select(*REMINDER).where(reminders.c.user_id.in_(SOME), _related)
_LOCK_RELATED = _of_users.order_by(reminders.c.reminder_id).with_for_update()
_UPDATE_ONE = update(reminders).where(
    reminders.c.reminder_id == bindparam("key_reminder_id"), reminders.c.medium == bindparam("key_medium")
)


def any_due(connection: Connection, medium: str, now: Millis) -> bool:
    """Tell whether a reminder's moment has come."""
    values = {"until": now, "medium": medium}
    return connection.scalar(_first_waiting(reminders.c.due_at, of_medium=True), values) is not None


def oldest_due(connection: Connection, medium: str | None, now: Millis) -> Millis | None:
    """Return since when that reminder has been due whose moment came first; None if no moment has come.

    Without a medium, of all media.
    """
    r = reminders.c
    first = select(r.due_at).where(r.due_at <= now).order_by(r.due_at).limit(1)
    return connection.scalar(first if medium is None else first.where(r.medium == medium))


def lock_due(connection: Connection, medium: str, now: Millis, limit: int) -> list[ReminderRow]:
    """Lock unsent reminders whose moment has come, the longest waiting first."""
    return _lock_waiting(connection, reminders.c.due_at, now, limit, medium)


def lock_expired_leases(connection: Connection, now: Millis, limit: int) -> list[ReminderRow]:
    """Lock reminders in `sending` whose lease has run out."""
    return _lock_waiting(connection, reminders.c.lease_until, now, limit)


def lock_unknown_since(connection: Connection, moment: Millis, limit: int) -> list[ReminderRow]:
    """Lock reminders that have been unknown since that moment or longer."""
    return _lock_waiting(connection, reminders.c.unknown_since, moment, limit)


def lock_quiet_since(connection: Connection, medium: str, moment: Millis, limit: int) -> list[ReminderRow]:
    """Lock accepted or sent reminders of which nothing has been heard since that moment or longer."""
    return _lock_waiting(connection, reminders.c.quiet_since, moment, limit, medium)


def any_fallback_due(connection: Connection, now: Millis) -> bool:
    """Tell whether `lock_fallback_due` would find a reminder."""
    return connection.scalar(_first_waiting(reminders.c.fallback_at), {"until": now}) is not None


def lock_fallback_due(connection: Connection, now: Millis, limit: int) -> list[ReminderRow]:
    """Lock reminders that ended in a way that another medium may mend, and were not looked at since."""
    return _lock_waiting(connection, reminders.c.fallback_at, now, limit)


def _lock_waiting(
    connection: Connection, column: ColumnElement[Any], until: Millis, limit: int, medium: str | None = None
) -> list[ReminderRow]:
    """Lock the rows that wait by this column, and pass over those that another replica has locked."""
    query = _lock_all_waiting(column, of_medium=medium is not None)
    return _rows(connection.execute(query, {"until": until, "medium": medium, "limit": limit}))


@cache
def _lock_all_waiting(column: ColumnElement[Any], *, of_medium: bool) -> Select[Any]:
    waiting = select(*REMINDER).where(*_is_waiting(column, of_medium)).order_by(column)
    return waiting.limit(LIMIT).with_for_update(skip_locked=True)


@cache
def _first_waiting(column: ColumnElement[Any], *, of_medium: bool = False) -> Select[Any]:
    return select(column).where(*_is_waiting(column, of_medium)).order_by(column).limit(1)  # ordered: by its index


def _is_waiting(column: ColumnElement[Any], of_medium: bool) -> list[ColumnElement[bool]]:
    return [column <= bindparam("until"), *([reminders.c.medium == bindparam("medium")] if of_medium else [])]


def any_deferred(connection: Connection, medium: str, reason: str) -> bool:
    """Tell whether `lock_next_probe` would find a reminder."""
    r = reminders.c
    waiting = select(r.due_at).where(r.due_at.is_not(None), r.reason == reason, r.medium == medium)
    return connection.scalar(waiting.limit(1)) is not None


def lock_next_probe(
    connection: Connection, medium: str, reason: str, stopped_at: Millis, limit: int
) -> list[ReminderRow]:
    """Lock reminders deferred for this reason, those due first before others.

    Those that were tried since `stopped_at` only if there are no others, and then the one whose try is longest ago: a
    person who can be sent nothing must not be every probe.
    """
    r = reminders.c
    waiting = select(*REMINDER).where(r.due_at.is_not(None), r.reason == reason, r.medium == medium)
    untried = or_(r.attempted_at.is_(None), r.attempted_at <= stopped_at)
    for query in (waiting.where(untried).order_by(r.due_at), waiting.order_by(r.attempted_at)):
        if found := _rows(connection.execute(query.limit(limit).with_for_update(skip_locked=True))):
            return found
    return []


def lock_by_ids(connection: Connection, ids: Collection[str]) -> list[ReminderRow]:
    """Lock the reminders with these ids, on every medium; wait for those that others have locked."""
    found: list[ReminderRow] = []
    for some in chunks(sorted(ids)):
        found += _rows(connection.execute(_LOCK_BY_IDS, {"some": some}))
    return found


def lock_related(
    connection: Connection, users: Collection[str], since: Millis, statuses: Sequence[str]
) -> list[ReminderRow]:
    """Lock reminders of these users that have one of these statuses, or whose `last_seen` is `since` or later."""
    found: list[ReminderRow] = []
    for some in chunks(sorted(users)):
        values = {"some": some, "since": since, "statuses": statuses}
        found += _rows(connection.execute(_LOCK_RELATED, values))
    return found


def lock_unsent(connection: Connection, limit: int) -> list[ReminderRow]:
    """Lock reminders that have not gone out, or are just about to: those that wait for their moment or hold a lease."""
    found: list[ReminderRow] = []
    for moment in (reminders.c.due_at, reminders.c.lease_until):
        query = select(*REMINDER).where(moment.is_not(None)).limit(limit - len(found))
        found += _rows(connection.execute(query.with_for_update()))
    return found


def lock_unsent_on_other_media(connection: Connection, media: Sequence[str], limit: int) -> list[ReminderRow]:
    """Lock reminders that wait for their moment on a medium that is none of these."""
    query = select(*REMINDER).where(reminders.c.due_at.is_not(None), reminders.c.medium.not_in(media)).limit(limit)
    return _rows(connection.execute(query.with_for_update(skip_locked=True)))


def mark_superseded_until_requested(connection: Connection, partition: int, now: Millis, expire_after: Millis) -> None:
    """Hold the unsent reminders of a partition, as superseded, until detect has caught up or they have expired."""
    unsent = (reminders.c.due_at.is_not(None)) & (reminders.c.partition == partition)
    held = {
        "superseded_at": now,
        "reason": "detect_behind",
        "due_at": case((reminders.c.lapsed_at < YEAR_10000, reminders.c.lapsed_at), else_=0) + expire_after,
    }
    connection.execute(update(reminders).where(unsent).values(**held))


def on_all_media(connection: Connection, ids: Collection[str]) -> dict[str, list[ReminderRow]]:
    """Return by reminder id its row on each medium. Locks nothing."""
    found: dict[str, list[ReminderRow]] = {}
    for some in chunks(sorted(ids)):
        for row in _rows(connection.execute(_BY_IDS, {"some": some})):
            found.setdefault(row.reminder_id, []).append(row)
    return found


def ids_with_later_lapse(connection: Connection, rows: Sequence[ReminderRow]) -> set[str]:
    """Return the ids of those of these rows whose user has lapsed in the same process since."""
    r = reminders.c
    found: set[str] = set()
    for row in rows:
        later = or_(r.last_seen > row.last_seen, and_(r.last_seen == row.last_seen, r.step > row.step))
        same = r.user_id == row.user_id, r.process == row.process
        if connection.scalar(select(r.reminder_id).where(*same, later, r.lapsed_at.is_not(None)).limit(1)) is not None:
            found.add(row.reminder_id)
    return found


def insert_rows(connection: Connection, rows: Sequence[ReminderRow]) -> None:
    """Insert new reminders."""
    if rows:
        connection.execute(insert(reminders), [row._asdict() for row in rows])


def update_rows(connection: Connection, changes: Iterable[tuple[ReminderRow, ReminderRow]]) -> None:
    """Write back rows that were locked in this transaction: each as it was, and as it is now.

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
    for rows in by_columns.values():
        connection.execute(_UPDATE_ONE, rows)


def put_off(connection: Connection, key: tuple[str, str], until: Millis) -> None:
    """Let nothing that this reminder waits for come before that moment."""
    later = {moment: case((moment.is_not(None), until), else_=None) for moment in AWAITED}
    this = reminders.c.reminder_id == key[0], reminders.c.medium == key[1]
    connection.execute(update(reminders).where(*this).values(later))


def wake_deferred(
    connection: Connection,
    *reasons: str,
    medium: str | None = None,
    users: Collection[str] | None = None,
    partitions: Collection[int] | None = None,
    process: str | None = None,
) -> int:
    """Make reminders that are deferred for these reasons due now, those that lapsed first, first. Return how many."""
    values: dict[str, object] = {"reasons": reasons, "of_medium": medium, "of_process": process}
    if partitions is not None:
        values["of_partitions"] = sorted(partitions)
    wake = _wake(frozenset(name for name, value in values.items() if value is not None), of_users=users is not None)
    each = [values] if users is None else [{**values, "some": some} for some in chunks(sorted(users))]
    return sum(connection.execute(wake, some).rowcount for some in each)


@cache
def _wake(given: frozenset[str], *, of_users: bool) -> Update:
    r = reminders.c
    conditions = {
        "reasons": r.reason.in_(bindparam("reasons", expanding=True)),
        "of_medium": r.medium == bindparam("of_medium"),
        "of_process": r.process == bindparam("of_process"),
        "of_partitions": r.partition.in_(bindparam("of_partitions", expanding=True)),
    }
    which = [r.due_at.is_not(None), *(conditions[name] for name in sorted(given))]
    wakes = update(reminders).where(*which).values(due_at=func.coalesce(r.lapsed_at, 0))
    return wakes.where(r.user_id.in_(SOME)) if of_users else wakes


def count_in_doubt(connection: Connection) -> dict[str, int]:
    """Count those that are `unknown` and still looked for, and those that are `unresolved`."""
    unknown = select(func.count()).where(reminders.c.unknown_since.is_not(None)).scalar_subquery()
    unresolved = select(func.count()).select_from(reminders).where(UNRESOLVED).scalar_subquery()
    return dict(connection.execute(select(unknown.label("unknown"), unresolved.label("unresolved"))).mappings().one())


def lock_removable(connection: Connection, before: Millis, over: Sequence[str], limit: int) -> list[tuple[str, str]]:
    """Lock the reminders of one of these statuses that have not changed since that moment, the oldest change first.

    One that waits for anything, or of which something is not published yet, is not among them.
    """
    r, o = reminders.c, outbox.c
    unheard = select(o.id).where(o.reminder_id == r.reminder_id, o.medium == r.medium, o.published.is_(False)).exists()
    query = select(r.reminder_id, r.medium).where(
        WAITS_FOR_NOTHING, r.updated_at < before, r.status.in_(over), ~unheard
    )
    query = query.order_by(r.updated_at).limit(limit)
    return [(row[0], row[1]) for row in connection.execute(query.with_for_update(skip_locked=True))]


def delete_with_history(connection: Connection, keys: Sequence[tuple[str, str]]) -> None:
    """Delete reminders (reminder_id, medium) with their attempts and what was published of them."""
    by_medium: dict[str, list[str]] = {}
    for reminder_id, medium in keys:
        by_medium.setdefault(medium, []).append(reminder_id)
    for medium, ids in by_medium.items():  # (for pairs of values SQLite reads the whole table)
        for some in chunks(ids):
            for table in (outbox, attempts, reminders):
                connection.execute(delete(table).where(table.c.reminder_id.in_(some), table.c.medium == medium))


def clear_traces(connection: Connection, users: Collection[str]) -> None:
    """Forget the traces of these users' activities, in their reminders and in what is published of them."""
    r = reminders.c
    for some in chunks(users):
        theirs = outbox.c.reminder_id.in_(select(r.reminder_id).where(r.user_id.in_(some)))
        for table, where in ((reminders, r.user_id.in_(some)), (outbox, theirs)):
            connection.execute(update(table).where(where, table.c.traceparent.is_not(None)).values(traceparent=None))


def _rows(found: Iterable[Sequence[Any]]) -> list[ReminderRow]:
    return [ReminderRow._make(row) for row in found]
