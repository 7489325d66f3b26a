"""How many different phones were written to."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, func, select, text

from consumer.clock import Millis
from consumer.ledger.queries.reminders import chunks
from consumer.ledger.schema.tables import attempts

_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('lapse: recipients', 0))")


def take_turns(connection: Connection) -> None:
    """Nobody else counts until this transaction ends. In SQLite a transaction that writes is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(_ALONE)


def count(connection: Connection, since: Millis) -> int:
    """Phones to which something may have gone out later than `since`."""
    return connection.scalar(select(func.count(attempts.c.phone.distinct())).where(*_gone(since))) or 0


def among(connection: Connection, phones: Collection[str], since: Millis) -> set[str]:
    """Those of these phones."""
    found: set[str] = set()
    for some in chunks(phones):
        found.update(connection.scalars(select(attempts.c.phone).where(attempts.c.phone.in_(some), *_gone(since))))
    return found


def latest(connection: Connection, since: Millis, most: int) -> list[Millis]:
    """The last moments of those phones that were not written to for longest, in order; at most so many."""
    if not most:
        return []
    last = func.max(attempts.c.started_at)
    query = select(last).where(*_gone(since)).group_by(attempts.c.phone).order_by(last).limit(most)
    return list(connection.scalars(query))


def _gone(since: Millis) -> tuple[ColumnElement[bool], ...]:
    return attempts.c.started_at > since, attempts.c.may_have_gone.is_(True), attempts.c.phone.is_not(None)
