"""How fast a channel has been used, in one row for all replicas."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from consumer.clock import Millis
from consumer.ledger.queries.reminders import upsert
from consumer.ledger.schema.replica_tables import paces


@dataclass(frozen=True, slots=True)
class RateLimitRow:
    """See `tables.paces`. `counted_from` is in microseconds."""

    medium: str
    counted_from: int = 0
    held_until: Millis = 0


def rate_limit_of(connection: Connection, medium: str, *, lock: bool = False) -> RateLimitRow:
    """With `lock` nobody else decides how many requests leave until the transaction ends."""
    query = select(paces.c.medium, paces.c.counted_from, paces.c.held_until).where(paces.c.medium == medium)
    found = connection.execute(query.with_for_update() if lock else query).first()
    if found is None and lock:
        # There must be a row to lock: two replicas would otherwise both believe to be the first.
        new = upsert(connection, paces).values(medium=medium, counted_from=0, held_until=0)
        connection.execute(new.on_conflict_do_nothing())
        found = connection.execute(query.with_for_update()).one()
    return RateLimitRow(medium) if found is None else RateLimitRow(*found)


def put_counted(connection: Connection, medium: str, counted_from: int) -> None:
    connection.execute(paces.update().where(paces.c.medium == medium).values(counted_from=counted_from))


def hold(connection: Connection, medium: str, until: Millis) -> None:
    """Nothing leaves before that; a hold that is there already and lasts longer stays."""
    statement = upsert(connection, paces).values(medium=medium, counted_from=0, held_until=until)
    new = statement.excluded.held_until
    later = new > paces.c.held_until
    connection.execute(
        statement.on_conflict_do_update(index_elements=["medium"], set_={"held_until": new}, where=later)
    )
