"""Contacts as they come in: only later ones count."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from consumer.ledger.queries import upsert
from consumer.ledger.tables import contacts

_SETTABLE = [column.name for column in contacts.columns if not column.primary_key]


def put_contacts(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Upsert rows of `tables.contacts`, one for each user, unless a higher offset of the same partition was here."""
    if not rows:
        return
    statement = upsert(connection, contacts)
    new = statement.excluded
    moved = new.source_partition != contacts.c.source_partition  # the topic was made anew
    statement = statement.on_conflict_do_update(
        index_elements=["user_id"],
        set_={name: new[name] for name in _SETTABLE},
        where=moved | (new.source_offset > contacts.c.source_offset),
    )
    connection.execute(statement, rows)
