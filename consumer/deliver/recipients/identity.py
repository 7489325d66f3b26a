"""Who is behind a phone, in all its forms, or behind an id of WhatsApp.

Everything that belongs to a phone is kept under one key: a keyed hash of one canonical form of the number. So all
spellings of a Brazilian, Mexican or Argentinian mobile are one person, and what is kept outlives the number itself.

Whoever hides their number is named by an id alone (a BSUID, or `…@lid`). Its phone is the one that a report, a
message or a contact once named beside it, or that the message of ours went to which a report is about
(docs/1msg.md#hidden-numbers). What an answer quotes is its writer's own word, and shows nothing for good: it may stop
what goes to that phone, and never start it.
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from consumer.deliver.message_ids import found_by_id
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.email_address import mailbox_of
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.onemsg.phone import canonical_phone


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """Somebody as 1MSG names them: by phone (digits), by WhatsApp's id (or its hash), by a message of ours to them."""

    phone: str | None = field(default=None, repr=False)
    whatsapp_id: str | None = field(default=None, repr=False)
    our_message_id: str | None = field(default=None, repr=False)
    """As 1MSG says it."""
    quoted_id: str | None = field(default=None, repr=False)
    """As the person says it."""
    hashed_id: str | None = None

    def id_hash(self, hash_key: bytes) -> str | None:
        return self.hashed_id if self.whatsapp_id is None else _keyed(f"whatsapp:{self.whatsapp_id.upper()}", hash_key)


def phone_hash(phone: str, hash_key: bytes) -> str:
    """Return what is stored of a phone (digits): the same for all the forms that WhatsApp has for it."""
    return _keyed(canonical_phone(phone), hash_key)


def email_hash(address: str, hash_key: bytes) -> str:
    """Return what is stored of an e-mail address: the same for all the forms of one mailbox."""
    return _keyed(f"email:{mailbox_of(address)}", hash_key)


def phone_hashes(rows: Iterable[ReminderRow], hash_key: bytes) -> set[str]:
    """Return the hashes of the phones that these reminders were sent to."""
    return {phone_hash(row.phone, hash_key) for row in rows if row.phone is not None}


def person_of(row: ReminderRow, hash_key: bytes) -> str:
    """Return one name of whom this reminder was sent to: the hash of the phone, or else the user's id."""
    return row.user_id if row.phone is None else phone_hash(row.phone, hash_key)


def text_hash(text: str, hash_key: bytes) -> str:
    """Return what is stored of a message's text, to recognise it by: the same whatever blanks and lines divide it."""
    return _keyed(f"text:{' '.join(unicodedata.normalize('NFC', text).split())}", hash_key)


def subjects_of(user_id: str | None, phone_hash: str | None, email_hash: str | None = None) -> list[str]:
    """Return the keys by which opt-outs and holds are stored. A mailbox's count only for what goes there."""
    named = {"user": user_id, "phone": phone_hash, "email": email_hash}
    return [f"{kind}:{name}" for kind, name in named.items() if name is not None]


def users_among(subjects: Iterable[str]) -> set[str]:
    """Return the users that some of these keys are of."""
    return {subject.removeprefix("user:") for subject in subjects if subject.startswith("user:")}


class KnownPhones:
    """The phones (hashes) behind the mentions of one batch. What the batch itself shows is learned first."""

    def __init__(self, work: UnitOfWork, mentions: Iterable[Mention]) -> None:
        self._hash_key = work.hash_key
        listed = [each for each in mentions if each.whatsapp_id or each.our_message_id or each.quoted_id]
        ours = {found for each in listed for found in (each.our_message_id, each.quoted_id) if found}
        find = queries.attempts.phone_hashes_by_message_id
        self._by_message = found_by_id(find, work.connection, ours, work.hash_key)
        ids = {hashed for each in listed if (hashed := each.id_hash(work.hash_key))}
        self._by_id = queries.whatsapp_ids.phone_hashes(work.connection, ids)
        self.learned = self._learn(work, listed)
        """Ids (hashes) of which a phone is known since this batch."""

    def of(self, mention: Mention) -> set[str]:
        """Return the phones of this person, also by what they quote; none if no phone is known."""
        quoted = self._by_message.get(mention.quoted_id or "") if mention.phone is None else None
        return self.shown(mention) if quoted is None else {quoted, *self.shown(mention)}

    def shown(self, mention: Mention) -> set[str]:
        """Return the phones of this person as 1MSG shows them, without what they quote."""
        named = self._by_message.get(mention.our_message_id or "") if mention.phone is None else self._hash(mention)
        known = self._by_id.get(mention.id_hash(self._hash_key) or "", set())
        return known if named is None else {named, *known}

    def certain(self, mention: Mention) -> set[str]:
        """Return the phone that this person speaks from: the one named, or else the only one known; none if in doubt.

        An id may have had another phone before, which belongs to somebody else by now.
        """
        named = self._hash(mention)
        known = self.shown(mention) if named is None else {named}
        return known if len(known) == 1 else set()

    def _hash(self, mention: Mention) -> str | None:
        return None if mention.phone is None else phone_hash(mention.phone, self._hash_key)

    def _learn(self, work: UnitOfWork, mentions: Iterable[Mention]) -> set[str]:
        """Tie each id to the phone beside it, and to the one that a message of ours beside it went to."""
        new: set[tuple[str, str]] = set()
        for each in mentions:
            if hashed := each.id_hash(self._hash_key):
                phones = {self._hash(each), self._by_message.get(each.our_message_id or "")}
                new |= {(hashed, phone) for phone in phones - self._by_id.get(hashed, set()) if phone is not None}
        for hashed, phone in new:
            self._by_id.setdefault(hashed, set()).add(phone)
        queries.whatsapp_ids.insert_pairs(work.connection, new)
        return {hashed for hashed, _ in new}


def _keyed(text: str, hash_key: bytes) -> str:
    return hmac.digest(hash_key, text.encode(), hashlib.sha256).hex()
