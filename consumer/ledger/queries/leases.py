"""Whose turn it is, where one replica at a time may act."""

from sqlalchemy import Connection, delete, select, text

from consumer.clock import Millis
from consumer.ledger.queries.reminders import upsert
from consumer.ledger.schema.replica_tables import turns

_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")


def try_advisory_lock(connection: Connection, name: str) -> bool:
    """Whether nobody else is at this; nobody else will be until the transaction ends. Waits for nobody.

    In SQLite a transaction that writes is alone anyway.
    """
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.scalar(_ALONE, {"name": f"alone: {name}"}))


def take(connection: Connection, name: str, holder: str, now: Millis, until: Millis) -> bool:
    """Whether the turn is this holder's until then: it was already, or nobody's, or the last one's has run out."""
    statement = upsert(connection, turns).values(name=name, holder=holder, until=until)
    free = (turns.c.holder == holder) | (turns.c.until <= now)
    values = {"holder": holder, "until": until}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values, where=free))
    return connection.scalar(select(turns.c.holder).where(turns.c.name == name)) == holder


def until(connection: Connection, name: str) -> Millis | None:
    """Until when it is somebody's."""
    return connection.scalar(select(turns.c.until).where(turns.c.name == name))


def give_up(connection: Connection, name: str, holder: str) -> None:
    """The turn is nobody's any more, if it is this holder's."""
    connection.execute(delete(turns).where(turns.c.name == name, turns.c.holder == holder))
