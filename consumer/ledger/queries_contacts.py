"""Contacts as they come in: only later ones count, and an erased person leaves no name, phone or address."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, select, update

from consumer.ledger.queries import chunks, upsert
from consumer.ledger.tables import attempts, contacts, reminders

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


def forget_phones(connection: Connection, users: Collection[str]) -> None:
    """Take the phone numbers of those among these users who were erased out of what was sent."""
    for some in chunks(sorted(users)):
        erased = select(contacts.c.user_id).where(contacts.c.user_id.in_(some), contacts.c.erased.is_(True))
        for table in (reminders, attempts):
            numbered = table.c.user_id.in_(erased), table.c.phone.is_not(None)
            connection.execute(update(table).where(*numbered).values(phone=None))
