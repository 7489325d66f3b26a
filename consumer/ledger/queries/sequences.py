"""Sequence numbers of reminders' records: they go on behind whatever an earlier ledger may have published."""

from sqlalchemy import Connection, select, update

from consumer.ledger.queries.statements import upsert
from consumer.ledger.schema.tables import meta, reminders

_FIRST_SEQUENCE = "first_sequence"
_READ_FIRST = select(meta.c.value).where(meta.c.name == _FIRST_SEQUENCE)


def raise_sequences(connection: Connection, least: int) -> None:
    """Have the records of every reminder go on behind this number, and those of reminders to come begin behind it."""
    connection.execute(update(reminders).where(reminders.c.sequence < least).values(sequence=least))
    put_first_sequence(connection, least)


def put_first_sequence(connection: Connection, number: int) -> None:
    """Have the records of reminders to come begin behind this number."""
    statement = upsert(connection, meta).values(name=_FIRST_SEQUENCE, value=str(number))
    new = {"value": statement.excluded.value}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=new))


def first_sequence(connection: Connection) -> int:
    """Return the number behind which the records of a new reminder begin."""
    return int(connection.scalar(_READ_FIRST) or 0)
