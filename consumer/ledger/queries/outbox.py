"""Outboxes: transitions on their way to the delivery-status topic, and opt-outs on their way to theirs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, bindparam, delete, func, insert, select, update

from consumer.clock import Millis
from consumer.ledger.queries.statements import LIMIT, chunks
from consumer.ledger.schema.tables import opt_out_outbox, outbox, reminders


@dataclass(frozen=True, slots=True)
class Transition:
    """One published transition; the fields are the columns of `tables.outbox`."""

    id: int
    reminder_id: str
    medium: str
    sequence: int
    user_id: str
    process: str
    step: int
    status: str
    final: bool
    reason: str | None
    error_code: int | None
    message_id: str | None
    attempt: int | None
    template: str | None
    language: str | None
    lapsed_at: Millis | None
    until: Millis | None
    source: str
    occurred_at: Millis
    recorded_at: Millis
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class OptOutRecord:
    """One opt-out for the topic, or, without a reason, the end of one; the fields are columns of `opt_out_outbox`."""

    id: int
    subject: str
    medium: str
    reason: str | None
    source: str
    occurred_at: Millis


class OutboxCount(NamedTuple):
    """How many records wait to be published, and how many were set aside because the broker refuses them."""

    waiting: int
    refused: int


TRANSITION = [outbox.c[name] for name in Transition.__dataclass_fields__]
_OPT_OUT = [opt_out_outbox.c[name] for name in OptOutRecord.__dataclass_fields__]
TRANSITIONS, OPT_OUTS = outbox, opt_out_outbox
"""The two outboxes, for the functions that do the same with either."""


def mark_published(connection: Connection, table: Table, ids: Sequence[int]) -> None:
    """Note that these records have been published."""
    if ids:
        statement = update(table).where(table.c.id == bindparam("key")).values(published=True)
        connection.execute(statement, [{"key": key} for key in ids])


def set_aside(connection: Connection, table: Table, number: int, why: str) -> None:
    """Note why this record is not published."""
    connection.execute(update(table).where(table.c.id == number).values(refused_because=why))


def forget_refused(connection: Connection, table: Table) -> int:
    """Have the records that were set aside wait again. Returns how many.

    The end of an opt-out stays aside: a newer opt-out may be published, which it would undo.
    """
    refused = [table.c.published.is_(False), table.c.refused_because.is_not(None)]
    if table is OPT_OUTS:
        refused.append(table.c.reason.is_not(None))
    return connection.execute(update(table).where(*refused).values(refused_because=None)).rowcount


def count(connection: Connection, table: Table) -> OutboxCount:
    """Count the records that are not published."""
    unpublished, refused = connection.execute(_count_unpublished(table)).one()
    return OutboxCount(unpublished - refused, refused)


@cache
def _count_unpublished(table: Table) -> Select[int, int]:
    return select(func.count(), func.count(table.c.refused_because)).where(table.c.published.is_(False))


@cache
def _oldest_waiting(table: Table) -> Select[Any]:
    columns = _OPT_OUT if table is OPT_OUTS else TRANSITION
    waiting = table.c.published.is_(False), table.c.refused_because.is_(None)
    return select(*columns).where(*waiting).order_by(table.c.id).limit(LIMIT)


def insert_transitions(connection: Connection, transitions: Sequence[Mapping[str, object]]) -> None:
    """Insert transitions in the order in which they are to be published."""
    if transitions:
        connection.execute(insert(outbox), [{**transition, "published": False} for transition in transitions])


def unpublished_transitions(connection: Connection, limit: int) -> list[Transition]:
    """Return transitions that have not been published, oldest first."""
    return [Transition(*row) for row in connection.execute(_oldest_waiting(TRANSITIONS), {"limit": limit})]


def insert_opt_outs(
    connection: Connection, subjects: Collection[str], medium: str, reason: str | None, source: str, at: Millis
) -> None:
    """Have the topic told that these subjects opted out; without a reason, that it was lifted."""
    row = {"medium": medium, "reason": reason, "source": source, "occurred_at": at, "published": False}
    if subjects:
        # Users after numbers: whoever reads about a user finds the number there already.
        connection.execute(insert(opt_out_outbox), [{"subject": subject, **row} for subject in sorted(subjects)])


def unpublished_opt_outs(connection: Connection, limit: int) -> list[OptOutRecord]:
    """Return opt-outs that have not been published, oldest first."""
    return [OptOutRecord(*row) for row in connection.execute(_oldest_waiting(OPT_OUTS), {"limit": limit})]


def delete_published_opt_outs(connection: Connection, before: Millis, limit: int) -> int:
    """Delete what was published before that moment, at most `limit` rows. The opt-outs themselves stay for ever."""
    o = opt_out_outbox.c
    old = select(o.id).where(o.published.is_(True), o.occurred_at < before).order_by(o.occurred_at).limit(limit)
    ids = connection.scalars(old).all()
    for some in chunks(ids):
        connection.execute(delete(opt_out_outbox).where(o.id.in_(some)))
    return len(ids)


def clear_message_ids(connection: Connection, users: Collection[str]) -> None:
    """Forget the message ids in the records about these users, published or not."""
    r = reminders.c
    for some in chunks(users):
        theirs = outbox.c.reminder_id.in_(select(r.reminder_id).where(r.user_id.in_(some)))
        connection.execute(update(outbox).where(theirs, outbox.c.message_id.is_not(None)).values(message_id=None))
