"""Recipients, who are users and phones: the lock under which one replica decides about each, and holds on them."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, text

from consumer.clock import Millis
from consumer.ledger.queries.statements import chunks, upsert
from consumer.ledger.schema.channel_tables import holds

_TRY_LOCK = text(
    "SELECT name, pg_try_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS text[])) AS name"
)


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing goes to this recipient before `until`; what is due meanwhile waits or, if `unreachable`, is given up."""

    reason: str
    until: Millis
    unreachable: bool


def try_lock(connection: Connection, names: Collection[str]) -> set[str]:
    """Lock the recipients that no other replica holds, until the transaction ends; return those that were locked.

    In SQLite a transaction that writes is alone anyway.
    """
    if connection.dialect.name == "sqlite":
        return set(names)
    found: set[str] = set()
    for some in chunks(sorted(names)):
        found.update(name for name, locked in connection.execute(_TRY_LOCK, {"names": list(some)}) if locked)
    return found


def extend_hold(connection: Connection, subject: str, medium: str, hold: Hold) -> None:
    """Write a hold, unless there is one that lasts longer."""
    values = {"reason": hold.reason, "until": hold.until, "unreachable": hold.unreachable}
    statement = upsert(connection, holds).values(subject=subject, medium=medium, **values)
    later = statement.excluded.until > holds.c.until
    connection.execute(statement.on_conflict_do_update(index_elements=["subject", "medium"], set_=values, where=later))


def active_holds(connection: Connection, subjects: Collection[str], medium: str, now: Millis) -> dict[str, Hold]:
    """Return the holds on these subjects that are in force at this moment, by subject."""
    found: dict[str, Hold] = {}
    h = holds.c
    for some in chunks(subjects):
        query = select(h.subject, h.reason, h.until, h.unreachable)
        active = h.subject.in_(some), h.medium == medium, h.until > now
        found.update((row[0], Hold(*row[1:])) for row in connection.execute(query.where(*active)))
    return found


def any_unreachable(connection: Connection) -> bool:
    """Tell whether any recipient is held as unreachable."""
    return connection.scalar(select(holds.c.subject).where(holds.c.unreachable.is_(True)).limit(1)) is not None


def delete_unreachable_holds(connection: Connection, subjects: Collection[str], medium: str) -> None:
    """Delete the holds that call these subjects unreachable."""
    for some in chunks(subjects):
        which = holds.c.subject.in_(some), holds.c.medium == medium, holds.c.unreachable.is_(True)
        connection.execute(delete(holds).where(*which))


def delete_holds(connection: Connection, subjects: Collection[str], medium: str, reason: str) -> None:
    """Delete the holds on these subjects that have this reason."""
    for some in chunks(subjects):
        which = holds.c.subject.in_(some), holds.c.medium == medium, holds.c.reason == reason
        connection.execute(delete(holds).where(*which))


def delete_expired_holds(connection: Connection, now: Millis) -> None:
    """Delete the holds whose moment has passed."""
    connection.execute(delete(holds).where(holds.c.until <= now))
