"""Opt-outs: kept by user and by a keyed hash of the phone, so that they outlive the contact.

An opt-out by phone counts for every user with that phone. The opt-outs topic gets one record for each user, until the
opt-out is lifted.

Only an explicit yes lifts an opt-out: the contact records about the user must first say no (`opt_in: false`, with an
`updated_at` not before the opt-out's `occurred_at`) and then, later, yes. So a CRM that rewrites everybody every night
with the present time lifts nothing, nor does one that has never learned of the opt-out.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from consumer.clock import DAY, Millis
from consumer.deliver.recipients.identity import phone_hash, subjects_of
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.recipients import Hold
from consumer.ledger.schema.rows import ReminderRow
from consumer.records import Contact

LIKELY_OPT_OUT = "likely_opt_out"
HELD_FOR = 30 * DAY
"""How long a likely opt-out holds; the person's next clear word ends it."""
_REPLY_WINDOW = 30 * DAY
"""For how long a reply from a phone counts for the users who were written to there. Later it may have a new owner."""


def opt_out_recipient(work: UnitOfWork, row: ReminderRow, reason: str, at: Millis) -> None:
    """Record that the recipient of this reminder opted out of its medium at that moment."""
    hashed = None if row.phone is None else phone_hash(row.phone, work.hash_key)
    _opt_out(work, {row.user_id}, hashed, row.medium, reason, at)


def opt_out_phone(work: UnitOfWork, hashed: str, medium: str, reason: str, at: Millis) -> None:
    """Record that the owner of this phone (its hash) opted out of that medium at that moment.

    It also counts for users who were written to at this phone lately: a reply may come after the contact has changed.
    """
    users = set(queries.contacts.users_with_phone(work.connection, hashed))
    users.update(queries.attempts.users_of_phone_since(work.connection, hashed, at - _REPLY_WINDOW))
    _opt_out(work, users, hashed, medium, reason, at)


def opt_in_phone(work: UnitOfWork, hashed: str, medium: str, at: Millis) -> None:
    """Record that the owner of this phone (its hash) asked to be written to again: it lifts what was said before.

    It counts for every user with that phone, and ends a hold for a likely opt-out.
    """
    connection, subjects = work.connection, set(subjects_of(None, hashed))
    queries.recipients.delete_holds(connection, subjects, medium, LIKELY_OPT_OUT)
    users = queries.contacts.users_with_phone(connection, hashed)
    queries.opt_outs.lift(connection, subjects | {f"user:{user}" for user in users}, at)


def hold_phone(work: UnitOfWork, hashed: str, medium: str, reason: str) -> None:
    """Hold back what would be sent to this phone (its hash): its owner may have opted out, in words of their own."""
    hold = Hold(reason, work.now + HELD_FOR, unreachable=False)
    for subject in subjects_of(None, hashed):
        queries.recipients.extend_hold(work.connection, subject, medium, hold)


def _opt_out(work: UnitOfWork, users: set[str], hashed: str | None, medium: str, reason: str, at: Millis) -> None:
    connection = work.connection
    subjects = {f"user:{user}" for user in users} | set(subjects_of(None, hashed))
    before = queries.opt_outs.opted_out_subjects(connection, subjects, medium)
    queries.opt_outs.record(connection, subjects, medium, reason, at)
    lift_after_consent(connection, users)  # the consent may have been read before the opt-out
    new = queries.opt_outs.opted_out_subjects(connection, subjects, medium) - before
    queries.outbox.insert_opt_outs(connection, {user for user in users if f"user:{user}" in new}, medium, reason, at)


def lift_after_consent(connection: Connection, users: Collection[str]) -> None:
    """Lift opt-outs of these users up to their contact's last no, where a yes follows that no."""
    for consent in queries.contacts.opted_in_again(connection, users):
        subjects = [f"user:{consent.user_id}"]
        if consent.phone_hash is not None:
            subjects.append(f"phone:{consent.phone_hash}")
        queries.opt_outs.lift(connection, subjects, consent.declined_at)


def declined_at_after(before: Millis | None, contact: Contact | None) -> Millis | None:
    """Return when a user last declined, once this contact record has been read too (None: a deletion).

    A deletion clears it: a user who is created again has to say no and then yes like everybody else.
    """
    if contact is None or contact.opt_in:
        return before if contact else None
    return contact.updated_at if before is None else max(before, contact.updated_at)
