"""Who wants no more: kept by user and by a keyed hash of the number, so that it outlives the contact.

Whoever opts out by their number does so for every user who has it. The opt-outs topic hears of each user once, until
it has been lifted.

Only an explicit yes lifts an opt-out: the CRM's records about the user have to say no first (`opt_in: false`, with an
`updated_at` not before the opt-out's `occurred_at`) and yes after that, later still. So a CRM that writes everybody
anew every night, stamped with the present, lifts nothing; and one that has never heard of the opt-out cannot.
"""

import hashlib
import hmac
from collections.abc import Callable, Collection, Sequence

from sqlalchemy import Connection

from consumer.clock import DAY, Millis
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.onemsg.phone import canonical_phone
from consumer.records import Contact, OptOut

Publish = Callable[[Sequence[OptOut]], None]
"""Returns once all of these are where others can read them; raises if that is not certain."""

_BATCH = 500
_ANSWERED_WITHIN = 30 * DAY
"""After which a number may be somebody else's."""


def phone_hash(phone: str, hash_key: bytes) -> str:
    """What is kept of a number (digits), the same for all the forms that WhatsApp has for it."""
    return hmac.digest(hash_key, canonical_phone(phone).encode(), hashlib.sha256).hex()


def subjects_of(user_id: str | None, phone: str | None, hash_key: bytes) -> list[str]:
    """Whom an opt-out is kept by. `phone` is digits."""
    subjects = [] if user_id is None else [f"user:{user_id}"]
    if phone:
        subjects.append(f"phone:{phone_hash(phone, hash_key)}")
    return subjects


def keep(work: UnitOfWork, row: ReminderRow, reason: str, at: Millis) -> None:
    """Whom this reminder was for said at that moment that they are not to be written to again on its medium."""
    _keep(work, {row.user_id}, row.phone, row.medium, reason, at)


def keep_number(work: UnitOfWork, phone: str, medium: str, reason: str, at: Millis) -> None:
    """Whoever has this number (digits) said at that moment that they want no more on that medium.

    It is the word of those too who were written to there lately: an answer may come after the contact has changed.
    """
    users = set(queries.contacts.users_with_phone(work.connection, phone_hash(phone, work.hash_key)))
    users.update(
        queries.attempts.users_of_phones_since(work.connection, {phone, canonical_phone(phone)}, at - _ANSWERED_WITHIN)
    )
    _keep(work, users, phone, medium, reason, at)


def _keep(work: UnitOfWork, users: set[str], phone: str | None, medium: str, reason: str, at: Millis) -> None:
    connection = work.connection
    subjects = {f"user:{user}" for user in users} | set(subjects_of(None, phone, work.hash_key))
    before = queries.opt_outs.opted_out_subjects(connection, subjects, medium)
    queries.opt_outs.record(connection, subjects, medium, reason, at)
    lift(connection, users)  # what took it back may have been quicker
    new = queries.opt_outs.opted_out_subjects(connection, subjects, medium) - before
    told = {user for user in users if f"user:{user}" in new}
    queries.outbox.insert_opt_outs(connection, told, medium, reason, at)


def lift(connection: Connection, users: Collection[str]) -> None:
    """Where the records about one of these users have said no, and then yes, what was said up to the no is over."""
    for agreed in queries.contacts.opted_in_again(connection, users):
        subjects = [f"user:{agreed.user_id}"]
        if agreed.phone_hash is not None:
            subjects.append(f"phone:{agreed.phone_hash}")
        queries.opt_outs.lift(connection, subjects, agreed.declined_at)


def declined_after(before: Millis | None, said: Contact | None) -> Millis | None:
    """When a user was last said to decline, once this record of theirs has been read too (None: a deletion).

    A deletion forgets it: whoever is created anew has to say no and yes like everybody else.
    """
    if said is None or said.opt_in:
        return before if said else None
    return said.updated_at if before is None else max(before, said.updated_at)


def publish(ledger: Ledger, put_on_topic: Publish) -> int:
    """Tell the topic what it has not heard. Returns how many; raises what `put_on_topic` raised.

    Published first and flagged after, as `outbox` does it: a crash between may repeat, and never loses.
    """
    with ledger.reading() as connection:
        waiting = queries.outbox.unpublished_opt_outs(connection, _BATCH)
    if not waiting:
        return 0
    put_on_topic(
        [OptOut(user_id=t.user_id, medium=t.medium, reason=t.reason, occurred_at=t.occurred_at) for t in waiting]
    )
    with ledger.transaction() as connection:
        queries.outbox.mark_opt_outs_published(connection, [told.id for told in waiting])
    return len(waiting)
