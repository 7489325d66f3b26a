"""Erases a person: name, phone, e-mail, the traces of their activities, and what is kept of their words.

What was done about the user's id stays, and so does their opt-out. What is kept by phone stays as long as another
contact has the number: anybody can make an account with it and delete that.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from consumer.deliver import message_ids
from consumer.deliver.recipients.identity import phone_hash
from consumer.deliver.recipients.person import read_phone
from consumer.ledger import queries
from consumer.onemsg.phone import Phone, forms_of


class Erasure:
    """The deletions of one batch. Create it before the contacts are overwritten: their phones lead to the rest."""

    def __init__(self, connection: Connection, users: Collection[str], region: str | None, hash_key: bytes) -> None:
        self._connection = connection
        self._users = set(users)
        self._hash_key = hash_key
        self._phones: dict[str, set[str]] = {}
        for user, stored in queries.contacts.phones_ever_used(connection, users) if users else ():
            phone = read_phone(stored, region)  # a contact's text, or digits of an attempt
            if isinstance(phone, Phone):
                self._phones.setdefault(user, set()).add(phone.digits)

    def apply(self) -> bool:
        """Erase; called once the contacts are written. Returns whether anybody was erased.

        A user whom a later record re-created is not.
        """
        erased = queries.contacts.erased_users(self._connection, self._users) if self._users else set()
        if not erased:
            return False
        queries.contacts.clear_sent_phones(self._connection, erased)  # first: it locks the rows, whose ids count then
        message_ids.erase(self._connection, erased, self._hash_key)
        queries.reminders.clear_traces(self._connection, erased)
        phones = self._phones_of_nobody_else(erased)
        hashes = set(phones.values())
        subjects = {f"user:{user}" for user in erased} | {f"phone:{hashed}" for hashed in hashes}
        queries.opt_outs.erase_journal(self._connection, subjects)
        if phones:
            queries.inbox.delete_inbound_from_phones(self._connection, hashes)
            queries.inbox.delete_echoes_to(self._connection, hashes)
            forms = {form for phone in phones for form in forms_of(phone)}
            queries.inbox.delete_bodies_containing(self._connection, forms)
        return True

    def _phones_of_nobody_else(self, erased: Collection[str]) -> dict[str, str]:
        """Return the phones (digits) of these users that no contact has any more, with their hashes."""
        phones = {phone for user in erased for phone in self._phones.get(user, ())}
        hashes = {phone: phone_hash(phone, self._hash_key) for phone in phones}
        owned = queries.contacts.users_with_phones(self._connection, set(hashes.values()))
        return {phone: hashed for phone, hashed in hashes.items() if hashed not in owned}
