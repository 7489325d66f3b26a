"""What is left of a person who was erased: that something was sent, when, and what came of it, but not to whom."""

from collections.abc import Collection

from sqlalchemy import Connection, delete, select, update

from consumer.ledger.queries.reminders import chunks
from consumer.ledger.schema.tables import attempts, contacts, inbound_messages, reminders, webhook_bodies


def phones_of(connection: Connection, users: Collection[str]) -> list[tuple[str, str]]:
    """(user, phone) for every number that these users have or were written to at, as it is stored."""
    found: set[tuple[str, str]] = set()
    for some in chunks(users):
        for table in (contacts, reminders, attempts):
            query = select(table.c.user_id, table.c.phone).where(table.c.user_id.in_(some), table.c.phone.is_not(None))
            found.update((row[0], row[1]) for row in connection.execute(query.distinct()))
    return sorted(found)


def erased_among(connection: Connection, users: Collection[str]) -> set[str]:
    """Those of these users whose contact has been erased."""
    found: set[str] = set()
    for some in chunks(users):
        erased = contacts.c.user_id.in_(some), contacts.c.erased.is_(True)
        found.update(connection.scalars(select(contacts.c.user_id).where(*erased)))
    return found


def forget_phones(connection: Connection, users: Collection[str]) -> None:
    """Take these users' phone numbers out of what was sent."""
    for some in chunks(users):
        for table in (reminders, attempts):
            numbered = table.c.user_id.in_(some), table.c.phone.is_not(None)
            connection.execute(update(table).where(*numbered).values(phone=None))


def drop_inbound(connection: Connection, phone_hashes: Collection[str]) -> None:
    """Let go of what was written to us from these numbers."""
    for some in chunks(phone_hashes):
        connection.execute(delete(inbound_messages).where(inbound_messages.c.phone_hash.in_(some)))


def drop_bodies_naming(connection: Connection, phones: Collection[str]) -> None:
    """Let go of bodies kept for people to look at in which one of these numbers (digits) stands."""
    kept = select(webhook_bodies.c.id, webhook_bodies.c.body).where(webhook_bodies.c.kept_because.is_not(None))
    named = [row.id for row in connection.execute(kept) if any(phone.encode() in row.body for phone in phones)]
    for some in chunks(named):
        connection.execute(delete(webhook_bodies).where(webhook_bodies.c.id.in_(some)))
