"""Transitions on their way to the delivery-status topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select, update

from consumer.clock import Millis
from consumer.ledger.schema.tables import outbox


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


_COLUMNS = [outbox.c[name] for name in Transition.__dataclass_fields__]


def add(connection: Connection, transitions: Sequence[Mapping[str, object]]) -> None:
    """New transitions, in the order in which others shall hear of them."""
    if transitions:
        connection.execute(insert(outbox), [{**transition, "published": False} for transition in transitions])


def unpublished(connection: Connection, limit: int) -> list[Transition]:
    """What nobody has heard yet, oldest first."""
    query = select(*_COLUMNS).where(outbox.c.published.is_(False)).order_by(outbox.c.id).limit(limit)
    return [Transition(*row) for row in connection.execute(query)]


def flag(connection: Connection, ids: Sequence[int]) -> None:
    """These have been published."""
    if ids:
        statement = update(outbox).where(outbox.c.id == bindparam("key")).values(published=True)
        connection.execute(statement, [{"key": key} for key in ids])


def backlog(connection: Connection) -> int:
    return connection.scalar(select(func.count()).where(outbox.c.published.is_(False))) or 0


def life_of(connection: Connection, reminder_id: str) -> list[Transition]:
    """Everything that was or will be published about a reminder, in order."""
    query = select(*_COLUMNS).where(outbox.c.reminder_id == reminder_id).order_by(outbox.c.id)
    return [Transition(*row) for row in connection.execute(query)]
