"""Opt-outs: kept by user and by a keyed hash of the phone, so that they outlive the contact.

An opt-out by phone counts for every user with that phone. The opt-outs topic gets a record for each user and for the
phone, and a null value when that is lifted: a new ledger is filled from it. What lifts an opt-out is said in
`policy/consent.py`.
"""

from collections.abc import Callable, Collection, Mapping
from itertools import chain

from sqlalchemy import Connection

from consumer.clock import DAY, Millis
from consumer.deliver.lifecycle import StatusSource
from consumer.deliver.policy.consent import CompanyRecord, Refusals, agreed_since, number_agreed_at, record_after
from consumer.deliver.recipients.identity import phone_hash, subjects_of, users_among
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.contacts import ConsentRow
from consumer.ledger.queries.opt_outs import StoredOptOut
from consumer.ledger.queries.recipients import Hold
from consumer.ledger.schema.rows import ReminderRow
from consumer.records import WHATSAPP, Contact

LIKELY_OPT_OUT = "likely_opt_out"
HELD_FOR = 30 * DAY
"""How long a likely opt-out holds; the person's next clear word ends it."""
_REPLY_WINDOW = 30 * DAY
"""For how long a reply from a phone counts for the users who were written to there. Later it may have a new owner."""


def opt_out_recipient(work: UnitOfWork, row: ReminderRow, reason: str, source: str, at: Millis) -> None:
    """Record that the recipient of this reminder opted out of its medium at that moment, as every user of the phone."""
    owner = set() if row.phone is None else owner_of(work.connection, phone_hash(row.phone, work.hash_key))
    opt_out(work.connection, {f"user:{row.user_id}", *owner}, row.medium, reason, source, at)


def opt_out_phone(work: UnitOfWork, hashed: str, medium: str, reason: str, at: Millis) -> None:
    """Record that the owner of this phone (its hash) opted out of that medium at that moment.

    It also counts for users who were written to at this phone lately: a reply may come after the contact has changed.
    """
    subjects = speakers_at(work.connection, hashed, at)
    opt_out(work.connection, subjects, medium, reason, StatusSource.WEBHOOK, at)


def opt_in_phone(work: UnitOfWork, hashed: str, medium: str, at: Millis) -> None:
    """Record that the owner of this phone (its hash) asked to be written to again: it lifts what was said before.

    It counts for every user with that phone, and ends a hold for a likely opt-out. The caller has locked the facts.
    """
    opt_in(work.connection, owner_of(work.connection, hashed), medium, StatusSource.WEBHOOK, at)
    end_likely_opt_out(work.connection, speakers_at(work.connection, hashed, work.now))


def hold_phone(work: UnitOfWork, hashed: str, at: Millis) -> None:
    """Hold back what would be sent to whoever has this phone (its hash): they may have opted out in their own words.

    As with an opt-out, it follows them to another phone, and holds for every medium. What they said before they last
    opted in counts no more.
    """
    opted_in_at = queries.opt_outs.opted_in_at(work.connection, f"phone:{hashed}")
    if opted_in_at is not None and opted_in_at > at:
        return
    hold = Hold(LIKELY_OPT_OUT, work.now + HELD_FOR, unreachable=False)
    queries.recipients.extend_holds(work.connection, speakers_at(work.connection, hashed, work.now), WHATSAPP, hold)


def opt_out(
    connection: Connection, subjects: Collection[str], medium: str, reason: str, source: str, at: Millis
) -> None:
    """Record that these subjects opted out at that moment, and have the topic told where that is news."""
    before = queries.opt_outs.opted_out_since(connection, subjects)
    queries.opt_outs.record(connection, [StoredOptOut(each, medium, reason, source, at) for each in sorted(subjects)])
    lift_after_consent(connection, users_among(subjects))  # the consent may have been read before the opt-out
    after = queries.opt_outs.opted_out_since(connection, subjects)
    news = {subject for subject, since in after.items() if since > before.get(subject, -1)}
    queries.outbox.insert_opt_outs(connection, news, medium, reason, source, at)


def opt_in(connection: Connection, subjects: Collection[str], medium: str, source: str, at: Millis) -> set[str]:
    """Record that these subjects opted in at that moment. Returns those whose opt-out that lifts.

    What was held for a likely opt-out is checked again now; the caller has locked the facts.
    """
    lifted = queries.opt_outs.record_opt_in(connection, subjects, medium, source, at)
    queries.outbox.insert_opt_outs(connection, lifted, medium, None, source, at)
    end_likely_opt_out(connection, subjects)
    return lifted


def end_likely_opt_out(connection: Connection, subjects: Collection[str]) -> int:
    """End what holds these subjects for a likely opt-out. Returns how many of their reminders are checked again now."""
    queries.recipients.delete_holds(connection, subjects, WHATSAPP, LIKELY_OPT_OUT)
    users = users_among(subjects)
    users |= queries.contacts.users_with_same_mailbox(connection, users)  # their e-mails were held as well
    return queries.reminders.wake_deferred(connection, "recipient_hold", users=users)


def lift_after_consent(connection: Connection, users: Collection[str]) -> None:
    """Lift opt-outs of these users, likely ones too, from before the time at which their contact says that they agreed.

    What was said from their number is lifted where `consent.number_agreed_at` says so. The caller has locked the facts.
    """
    agreed_at: dict[str, Millis] = {}
    hashes: set[str] = set()
    for row in queries.contacts.consents(connection, users).values():
        if (at := _record_of(row).agreed_at) is not None:
            agreed_at[row.user_id] = at
            hashes.update({row.phone_hash} if row.phone_hash else ())
    if agreed_at:
        for at, lifted in _agreed(connection, agreed_at, hashes, _opt_outs_of).items():
            changed = queries.opt_outs.lift(connection, lifted, at)
            queries.outbox.insert_opt_outs(connection, changed, "other", None, "other", at)
        likely = _agreed(connection, agreed_at, hashes, _likely_opt_outs_of).values()
        end_likely_opt_out(connection, set().union(*likely))


def _agreed(
    connection: Connection,
    agreed_at: Mapping[str, Millis],
    hashes: Collection[str],
    refusals_of: Callable[[Connection, Collection[str]], Refusals],
) -> dict[Millis, set[str]]:
    """Return the subjects whose refusals these users' consent lifts, by the moment at which they agreed."""
    numbers = refusals_of(connection, {f"phone:{hashed}" for hashed in hashes})
    owners = queries.contacts.users_with_phones(connection, {each.removeprefix("phone:") for each in numbers})
    every = {f"user:{user}" for user in {*agreed_at, *chain(*owners.values())}}
    by_user = {subject.removeprefix("user:"): said for subject, said in refusals_of(connection, every).items()}
    found: dict[Millis, set[str]] = {}
    for user in agreed_since(agreed_at, by_user):
        found.setdefault(agreed_at[user], set()).add(f"user:{user}")
    for subject, said in numbers.items():
        at = number_agreed_at(said, owners.get(subject.removeprefix("phone:"), ()), agreed_at, by_user)
        if at is not None:
            found.setdefault(at, set()).add(subject)
    return found


def _opt_outs_of(connection: Connection, subjects: Collection[str]) -> Refusals:
    found: dict[str, list[tuple[str, Millis]]] = {}
    for each in queries.opt_outs.in_force(connection, subjects):
        found.setdefault(each.subject, []).append((each.medium, each.occurred_at))
    return found


def _likely_opt_outs_of(connection: Connection, subjects: Collection[str]) -> Refusals:
    held = queries.recipients.held_until(connection, subjects, WHATSAPP, LIKELY_OPT_OUT)
    return {subject: [(WHATSAPP, until - HELD_FOR)] for subject, until in held.items()}


def records_of(connection: Connection, users: Collection[str]) -> dict[str, CompanyRecord]:
    """Return what the contacts of these users say about consent; nothing for those without one."""
    return {user: _record_of(row) for user, row in queries.contacts.consents(connection, users).items()}


def with_contact(
    records: Mapping[str, CompanyRecord], user: str, contact: Contact | None, now: Millis
) -> CompanyRecord:
    """Return what is known of a user's consent after one more contact record (None: a deletion, which forgets it)."""
    if contact is None:
        return CompanyRecord()
    known = records.get(user, CompanyRecord())
    return record_after(known, contact.opt_in, contact.opted_in_at, contact.updated_at, now)


def owner_of(connection: Connection, hashed: str) -> set[str]:
    """Return the subjects of whoever has this phone (its hash) now: the phone and the users with it."""
    users = queries.contacts.users_with_phones(connection, {hashed}).get(hashed, ())
    return {subject for user in (None, *users) for subject in subjects_of(user, hashed)}


def speakers_at(connection: Connection, hashed: str, at: Millis) -> set[str]:
    """Return the subjects of whoever may write to us from this phone (its hash): its owner, and who was written to."""
    written_to = queries.attempts.users_of_phone_since(connection, hashed, at - _REPLY_WINDOW)
    return owner_of(connection, hashed) | {f"user:{user}" for user in written_to}


def _record_of(row: ConsentRow) -> CompanyRecord:
    return CompanyRecord(opt_in=row.opt_in, declined_at=row.declined_at, opted_in_at=row.opted_in_at)
