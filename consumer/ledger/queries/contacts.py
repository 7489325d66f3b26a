"""Contacts as they come in, of which only later ones count, and their erasure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Insert, select, update

from consumer.clock import Millis
from consumer.ledger.queries.statements import SOME, chunks, upsert_of
from consumer.ledger.schema.rows import CONTACT, ContactRow
from consumer.ledger.schema.tables import attempts, contacts, reminders

_SETTABLE = [column.name for column in contacts.columns if not column.primary_key]


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """What a user's contact says about consent; the fields are columns of `tables.contacts`."""

    user_id: str
    opt_in: bool | None
    declined_at: Millis | None
    opted_in_at: Millis | None
    phone_hash: str | None


_theirs = contacts.c.user_id.in_(SOME), contacts.c.erased.is_(False)
_BY_USER = select(*CONTACT).where(*_theirs)
_CONSENTS = select(*(contacts.c[field.name] for field in fields(ConsentRow))).where(*_theirs)


def by_user(connection: Connection, users: Collection[str]) -> dict[str, ContactRow]:
    """Return the contacts of these users by user id, without those erased."""
    found: dict[str, ContactRow] = {}
    for some in chunks(users):
        found.update((row[0], ContactRow(*row)) for row in connection.execute(_BY_USER, {"some": some}))
    return found


def consents(connection: Connection, users: Collection[str]) -> dict[str, ConsentRow]:
    """Return what the contacts of these users say about consent, by user id, without those erased."""
    found: dict[str, ConsentRow] = {}
    for some in chunks(users):
        found.update((row[0], ConsentRow(*row)) for row in connection.execute(_CONSENTS, {"some": some}))
    return found


def users_with_phones(connection: Connection, phone_hashes: Collection[str]) -> dict[str, list[str]]:
    """Return the users whose contact has each of these numbers, in order; a number that nobody has is left out."""
    return _users_with(connection, contacts.c.phone_hash, phone_hashes)


def users_with_mailboxes(connection: Connection, email_hashes: Collection[str]) -> dict[str, list[str]]:
    """Return the users whose contact names each of these mailboxes, in order."""
    return _users_with(connection, contacts.c.email_hash, email_hashes)


def users_with_same_mailbox(connection: Connection, users: Collection[str]) -> set[str]:
    """Return the users whose contact names a mailbox that one of these users' contacts names."""
    c, found = contacts.c, set[str]()
    for some in chunks(users):
        theirs = c.user_id.in_(some), c.email_hash.is_not(None)
        hashes = set(connection.scalars(select(c.email_hash).where(*theirs)))
        found.update(*users_with_mailboxes(connection, hashes).values())
    return found


def _users_with(connection: Connection, column: Column[Any], hashes: Collection[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for some in chunks(hashes):
        query = select(column, contacts.c.user_id).where(column.in_(some)).order_by(contacts.c.user_id)
        for hashed, user in connection.execute(query):
            found.setdefault(hashed, []).append(user)
    return found


def upsert_newer(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Upsert rows of `tables.contacts`, one for each user, unless a higher offset of the same partition was here."""
    if not rows:
        return
    connection.execute(_upsert_newer(connection.dialect.name), rows)


@cache
def _upsert_newer(dialect: str) -> Insert:
    statement = upsert_of(dialect, contacts)
    new = statement.excluded
    moved = new.source_partition != contacts.c.source_partition  # the topic was made anew
    return statement.on_conflict_do_update(
        index_elements=["user_id"],
        set_={name: new[name] for name in _SETTABLE},
        where=moved | (new.source_offset > contacts.c.source_offset),
    )


def phones_ever_used(connection: Connection, users: Collection[str]) -> list[tuple[str, str]]:
    """Return (user, phone) for every number that these users have or were written to at, as it is stored."""
    found: set[tuple[str, str]] = set()
    for some in chunks(users):
        for table in (contacts, reminders, attempts):
            query = select(table.c.user_id, table.c.phone).where(table.c.user_id.in_(some), table.c.phone.is_not(None))
            found.update((row[0], row[1]) for row in connection.execute(query.distinct()))
    return sorted(found)


def erased_users(connection: Connection, users: Collection[str]) -> set[str]:
    """Return those of these users whose contact has been erased."""
    found: set[str] = set()
    for some in chunks(users):
        erased = contacts.c.user_id.in_(some), contacts.c.erased.is_(True)
        found.update(connection.scalars(select(contacts.c.user_id).where(*erased)))
    return found


def clear_sent_phones(connection: Connection, users: Collection[str]) -> None:
    """Remove these users' phone numbers from reminders and attempts: that something was sent stays, not to whom."""
    for some in chunks(users):
        for table in (reminders, attempts):
            with_phone = table.c.user_id.in_(some), table.c.phone.is_not(None)
            connection.execute(update(table).where(*with_phone).values(phone=None))


def forget_offsets(connection: Connection) -> None:
    """Let every record of a new contacts topic replace what is known, whatever its offset."""
    connection.execute(update(contacts).values(source_offset=-1))
