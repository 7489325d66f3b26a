"""Forgets a person: name, phone, e-mail, and what they wrote to us.

What stays is the record of what was done about the user's id, and that they opted out, if they did.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from consumer.deliver.recipients.opt_outs import phone_hash
from consumer.ledger import queries
from consumer.onemsg.phone import Phone, normalize_phone


class Erasure:
    """One batch's deletions. Made before the contacts are overwritten, since their numbers lead to the rest."""

    def __init__(self, connection: Connection, users: Collection[str], region: str | None, hash_key: bytes) -> None:
        self._connection = connection
        self._users = set(users)
        self._hash_key = hash_key
        self._phones: dict[str, set[str]] = {}
        for user, stored in queries.contacts.phones_ever_used(connection, users) if users else ():
            digits = _digits(stored, region)
            if digits:
                self._phones.setdefault(user, set()).add(digits)

    def apply(self) -> None:
        """Once the contacts are written: whose deletion was not overtaken by a later record is forgotten."""
        erased = queries.contacts.erased_users(self._connection, self._users) if self._users else set()
        if not erased:
            return
        queries.contacts.clear_sent_phones(self._connection, erased)
        phones = {phone for user in erased for phone in self._phones.get(user, ())}
        if phones:
            hashes = {phone_hash(phone, self._hash_key) for phone in phones}
            queries.inbox.delete_inbound_from_phones(self._connection, hashes)
            queries.inbox.delete_bodies_containing(self._connection, phones)


def _digits(stored: str, region: str | None) -> str | None:
    """Of a contact's number as people write it, or of digits as they were sent to."""
    reach = normalize_phone(stored, region)
    return reach.digits if isinstance(reach, Phone) else None
