"""Verdicts about recipients."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from consumer.clock import Millis
from consumer.ledger.queries.reminders import chunks, upsert
from consumer.ledger.schema.tables import holds


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing for this recipient before `until`; what is due meanwhile waits or, if `unreachable`, is given up."""

    reason: str
    until: Millis
    unreachable: bool


def keep(connection: Connection, subject: str, medium: str, hold: Hold) -> None:
    """The verdict that lasts longer stands."""
    values = {"reason": hold.reason, "until": hold.until, "unreachable": hold.unreachable}
    statement = upsert(connection, holds).values(subject=subject, medium=medium, **values)
    later = statement.excluded.until > holds.c.until
    connection.execute(statement.on_conflict_do_update(index_elements=["subject", "medium"], set_=values, where=later))


def held(connection: Connection, subjects: Collection[str], medium: str, now: Millis) -> dict[str, Hold]:
    """By subject: what holds at this moment."""
    found: dict[str, Hold] = {}
    h = holds.c
    for some in chunks(subjects):
        query = select(h.subject, h.reason, h.until, h.unreachable)
        standing = h.subject.in_(some), h.medium == medium, h.until > now
        found.update((row[0], Hold(*row[1:])) for row in connection.execute(query.where(*standing)))
    return found


def anybody_unreachable(connection: Connection) -> bool:
    return connection.scalar(select(holds.c.subject).where(holds.c.unreachable.is_(True)).limit(1)) is not None


def lift_unreachable(connection: Connection, subjects: Collection[str], medium: str) -> None:
    for some in chunks(subjects):
        which = holds.c.subject.in_(some), holds.c.medium == medium, holds.c.unreachable.is_(True)
        connection.execute(delete(holds).where(*which))


def drop_over(connection: Connection, now: Millis) -> None:
    """Let go of verdicts that hold nothing any more."""
    connection.execute(delete(holds).where(holds.c.until <= now))
