"""Contacts as they come in: only later ones count."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, select

from consumer.clock import Millis
from consumer.ledger.queries.reminders import chunks, upsert
from consumer.ledger.schema.tables import contacts

_SETTABLE = [column.name for column in contacts.columns if not column.primary_key]


def declined_by(connection: Connection, users: Collection[str]) -> dict[str, Millis]:
    """When those of these users of whom a record has said no were last said to decline."""
    found: dict[str, Millis] = {}
    c = contacts.c
    for some in chunks(users):
        query = select(c.user_id, c.declined_at).where(c.user_id.in_(some), c.declined_at.is_not(None))
        found.update((row[0], row[1]) for row in connection.execute(query))
    return found


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
