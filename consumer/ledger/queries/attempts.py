"""Attempts: one row for every POST, written before the request leaves, and what has been sent to whom."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    bindparam,
    case,
    func,
    insert,
    select,
    text,
    update,
)

from consumer.clock import Millis
from consumer.ledger.queries.statements import SOME, chunks
from consumer.ledger.schema.tables import attempts, reminders
from consumer.records import WHATSAPP

_UPDATE_ONE = update(attempts).where(
    attempts.c.reminder_id == bindparam("key_reminder_id"),
    attempts.c.medium == bindparam("key_medium"),
    attempts.c.number == bindparam("key_number"),
)
_LOCK_COUNT = text("SELECT pg_advisory_xact_lock(hashtextextended('lapse: recipients', 0))")


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """The latest attempt of one reminder that may have gone out."""

    user_id: str
    process: str
    remind_after: Millis
    """The rung of the ladder that it was sent for: a step's number changes with the ladder."""
    reminder_id: str
    at: Millis


@dataclass(frozen=True, slots=True)
class SentAttempt:
    """One attempt that may have gone out."""

    reminder_id: str
    medium: str
    number: int
    user_id: str
    phone_hash: str | None
    email_hash: str | None
    at: Millis


def insert_rows(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows of `tables.attempts`."""
    if rows:
        connection.execute(insert(attempts), rows)


def missing(connection: Connection, keys: Collection[tuple[str, str, int]]) -> set[tuple[str, str, int]]:
    """Return those of these attempts (reminder_id, medium, number) that are not there."""
    a, found = attempts.c, set[tuple[str, str, int]]()
    for some in chunks(sorted({key[0] for key in keys})):
        query = select(a.reminder_id, a.medium, a.number).where(a.reminder_id.in_(some))
        found.update((row[0], row[1], row[2]) for row in connection.execute(query))
    return set(keys) - found


def record_outcomes(connection: Connection, outcomes: Sequence[Mapping[str, object]]) -> None:
    """Write what became of attempts: mappings with `key` (reminder_id, medium), `number` and the columns to set."""
    if not outcomes:
        return
    connection.execute(_UPDATE_ONE, [_parameters(outcome) for outcome in outcomes])


def _parameters(outcome: Mapping[str, Any]) -> dict[str, object]:
    reminder_id, medium = outcome["key"]
    values = {name: value for name, value in outcome.items() if name not in {"key", "number"}}
    return {**values, "key_reminder_id": reminder_id, "key_medium": medium, "key_number": outcome["number"]}


def reminders_by_message_id(connection: Connection, message_ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return message id → (reminder_id, medium), for the messages that are ours."""
    found: dict[str, tuple[str, str]] = {}
    for some in chunks(sorted(message_ids)):
        query = select(attempts.c.message_id, attempts.c.reminder_id, attempts.c.medium)
        for row in connection.execute(query.where(attempts.c.message_id.in_(some))):
            found[row.message_id] = (row.reminder_id, row.medium)
    return found


def phone_hashes_by_message_id(connection: Connection, message_ids: Collection[str]) -> dict[str, str]:
    """Return message id → the hash of the phone it went to, for the messages that are ours."""
    found: dict[str, str] = {}
    for some in chunks(sorted(message_ids)):
        query = select(attempts.c.message_id, attempts.c.phone_hash)
        ours = attempts.c.message_id.in_(some), attempts.c.phone_hash.is_not(None)
        found.update((row[0], row[1]) for row in connection.execute(query.where(*ours)))
    return found


def message_ids_to(connection: Connection, users: Collection[str]) -> list[tuple[str, str]]:
    """Return (user, message id) of every message to these users on WhatsApp."""
    a, found = attempts.c, list[tuple[str, str]]()
    for some in chunks(users):
        theirs = a.user_id.in_(some), a.medium == WHATSAPP, a.message_id.is_not(None)
        found += [(row[0], row[1]) for row in connection.execute(select(a.user_id, a.message_id).where(*theirs))]
    return found


def replace_message_ids(connection: Connection, replaced: Mapping[tuple[str, str], str]) -> None:
    """Store other texts in place of these message ids, given with the user: in attempts and in reminders."""
    values = [{"key_user": user, "old": old, "new": new} for (user, old), new in replaced.items()]
    for table in (attempts, reminders):
        theirs = table.c.user_id == bindparam("key_user"), table.c.message_id == bindparam("old")
        if values:
            connection.execute(update(table).where(*theirs).values(message_id=bindparam("new")), values)


def without_message_id(
    connection: Connection, medium: str, since: Millis, until: Millis, lost_because: str
) -> Sequence[RowMapping]:
    """Return the attempts that may have left in that span, may have gone out and have no message id, oldest first.

    They are under way, unknown, or settled without an id. One that a restored ledger has lost (its reason is
    `lost_because`) may have left at any time from its lapse (`earliest`) on.
    """
    a, r = attempts.c, reminders.c
    is_lost, lapsed_at = a.reason == lost_because, func.coalesce(r.lapsed_at, r.last_seen)
    earliest = case((is_lost, lapsed_at), else_=a.started_at).label("earliest")
    columns = a.reminder_id, a.medium, a.number, a.started_at, earliest, a.phone_hash, a.text_hash
    without_id = a.message_id.is_(None), a.may_have_been_sent.is_(True), a.phone_hash.is_not(None), a.medium == medium
    query = select(*columns).join_from(attempts, reminders).where(*without_id, a.started_at >= since)
    query = query.where((a.started_at <= until) | (is_lost & (lapsed_at <= until)))
    return connection.execute(query.order_by(a.started_at)).mappings().all()


def latest_by_reminder_since(connection: Connection, users: Collection[str], since: Millis) -> list[PastAttempt]:
    """Return each reminder's latest attempt to these users that may have gone out, from `since` on."""
    found: list[PastAttempt] = []
    for some in chunks(users):
        rows = connection.execute(_LATEST_BY_REMINDER, {"some": some, "since": since})
        found += [PastAttempt(*row) for row in rows]
    return found


def _latest_by_reminder() -> Select[Any]:
    a, r = attempts.c, reminders.c
    key = a.user_id, a.process, r.lapsed_at - r.last_seen, a.reminder_id
    of_reminder = (r.reminder_id == a.reminder_id) & (r.medium == a.medium)
    query = select(*key, func.max(a.started_at)).join_from(attempts, reminders, of_reminder)
    sent = a.user_id.in_(SOME), a.started_at >= bindparam("since"), a.may_have_been_sent.is_(True)
    return query.where(*sent).group_by(*key)


_LATEST_BY_REMINDER = _latest_by_reminder()


def to_recipients_since(
    connection: Connection,
    users: Collection[str],
    phone_hashes: Collection[str],
    email_hashes: Collection[str],
    since: Millis,
) -> list[SentAttempt]:
    """Return the attempts to these users, phones or mailboxes that may have gone out later than `since`, oldest first.

    Each attempt is returned once.
    """
    a, found = attempts.c, set[SentAttempt]()
    columns = a.reminder_id, a.medium, a.number, a.user_id, a.phone_hash, a.email_hash, a.started_at
    sent = select(*columns).where(a.started_at > since, a.may_have_been_sent.is_(True))
    for column, values in ((a.user_id, users), (a.phone_hash, phone_hashes), (a.email_hash, email_hashes)):
        for some in chunks(values):
            found.update(SentAttempt(*row) for row in connection.execute(sent.where(column.in_(some))))
    return sorted(found, key=lambda each: each.at)


def phone_hashes_of(connection: Connection, reminder_ids: Collection[str]) -> dict[str, set[str]]:
    """Return the phones (hashes) that each of these reminders was sent to; one that was sent to none is left out."""
    found: dict[str, set[str]] = {}
    for some in chunks(sorted(reminder_ids)):
        query = select(attempts.c.reminder_id, attempts.c.phone_hash).where(attempts.c.reminder_id.in_(some))
        for reminder_id, hashed in connection.execute(query.where(attempts.c.phone_hash.is_not(None))):
            found.setdefault(reminder_id, set()).add(hashed)
    return found


def mailbox_of(connection: Connection, key: tuple[str, str], number: int) -> str | None:
    """Return the mailbox (its hash) that this attempt went to; None if it was no e-mail."""
    a = attempts.c
    this = a.reminder_id == key[0], a.medium == key[1], a.number == number
    return connection.scalar(select(a.email_hash).where(*this))


def users_of_phone_since(connection: Connection, phone_hash: str, since: Millis) -> list[str]:
    """Return the users who were written to at this number since then, in order."""
    a = attempts.c
    query = select(a.user_id).where(a.phone_hash == phone_hash, a.started_at >= since)
    return list(connection.scalars(query.distinct().order_by(a.user_id)))


def lock_recipient_count(connection: Connection) -> None:
    """Let nobody else count recipients until this transaction ends. In SQLite a transaction that writes is alone."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_COUNT)


def count_phones_since(connection: Connection, since: Millis) -> int:
    """Count the different phones to which something may have gone out later than `since`."""
    return connection.scalar(select(func.count(attempts.c.phone_hash.distinct())).where(*_sent_after(since))) or 0


def phones_written_since(connection: Connection, phone_hashes: Collection[str], since: Millis) -> set[str]:
    """Return those of these phones to which something may have gone out later than `since`."""
    found: set[str] = set()
    for some in chunks(phone_hashes):
        query = select(attempts.c.phone_hash).where(attempts.c.phone_hash.in_(some), *_sent_after(since))
        found.update(connection.scalars(query))
    return found


def earliest_last_sends(connection: Connection, since: Millis, limit: int) -> list[Millis]:
    """Return when each phone was last written to after `since`: the `limit` earliest moments, in order."""
    if not limit:
        return []
    last = func.max(attempts.c.started_at)
    query = select(last).where(*_sent_after(since)).group_by(attempts.c.phone_hash).order_by(last).limit(limit)
    return list(connection.scalars(query))


def _sent_after(since: Millis) -> tuple[ColumnElement[bool], ...]:
    return attempts.c.started_at > since, attempts.c.may_have_been_sent.is_(True), attempts.c.phone_hash.is_not(None)
