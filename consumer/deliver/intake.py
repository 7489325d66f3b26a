"""Takes detect's reminders and the CRM's contacts into the ledger.

Each batch is one transaction together with the offsets at which it was read, and a repeated batch changes nothing:
reminders have a primary key, contacts an offset, and watermarks never go back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from consumer.activity.schemas.framing import text_of_key
from consumer.clock import Millis, Now
from consumer.deliver.policy.checks import MENDED_BY_CONTACT, CheckRules, is_fresh
from consumer.deliver.policy.record_bounds import text_problem
from consumer.deliver.recipients import opt_outs
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.recipients.erasure import Erasure
from consumer.deliver.recipients.identity import email_hash, phone_hash
from consumer.deliver.recipients.person import read_phone
from consumer.deliver.reminder_requests import (
    ReminderRequests,
    coordinates,
    ids_in_doubt,
    request_of,
    standings_of,
    without_nul,
)
from consumer.deliver.unit_of_work import unit_of_work
from consumer.email_address import normalize_email
from consumer.ledger import queries
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.phone import Phone
from consumer.records import Contact, Received, Reminder, ReminderKind

T = TypeVar("T")
log = structlog.get_logger()


class Intake:
    """The handler of the `reminders` and `contacts` topics. Blocks its thread."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        rules: CheckRules,
        barrier: ContactsBarrier,
        metrics: DeliverMetrics,
        now: Now,
        default_region: str | None = None,
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._barrier = barrier
        self._metrics = metrics
        self._now = now
        self._default_region = default_region

    def take_reminders(self, batch: Sequence[Received[Reminder]]) -> None:
        """DUE becomes a row, WATERMARK says how far detect is, the other kinds cancel what has not gone out."""
        begin = 0
        for position, received in enumerate(batch):
            if received.value is not None and received.value.kind is ReminderKind.REBUILT:
                self._take_requests(batch[begin:position])
                self._await_rebuild(received)
                begin = position + 1
        self._take_requests(batch[begin:])

    def _await_rebuild(self, received: Received[Reminder]) -> None:
        """Hold what is unsent in a partition until detect has read its history again; then it is asked for, or not."""
        with self._ledger.transaction() as connection:
            now, expire_after = self._now(), self._rules.expire_after
            queries.reminders.mark_superseded_until_requested(connection, received.partition, now, expire_after)
            queries.replicas.delete_watermark(connection, received.partition)
            _put_offsets(connection, [received])

    def _take_requests(self, batch: Sequence[Received[Reminder]]) -> None:
        with unit_of_work(self._ledger, self._metrics, self._now()) as work:
            standings = standings_of(batch, work.now)
            requests = [each for each in (request_of(received, work.now) for received in batch) if each is not None]
            ReminderRequests(work, self._rules, ids_in_doubt(work.connection, batch)).apply(requests)
            queries.replicas.advance_watermarks(work.connection, standings, work.now)
            _put_offsets(work.connection, batch)
            self._wake_where_fresh(work.connection, work.now, lambda partition: partition in standings)

    def take_contacts(self, batch: Sequence[Received[Contact]]) -> None:
        """Store the latest record of each user. A null value erases the person."""
        records = [(received.value, row) for received in batch if (row := _contact_row(received)) is not None]
        rows = {str(row["user_id"]): row for _, row in records}
        present = {user for user, row in rows.items() if not row["erased"]}
        for row in rows.values():
            row["phone_hash"] = self._phone_hash(row["phone"])
            row["email_hash"] = self._email_hash(row["email"])
        now = self._now()
        with self._ledger.transaction() as connection:
            queries.replicas.lock_facts_exclusive(connection)
            consents = opt_outs.records_of(connection, rows)
            for contact, row in records:  # what an earlier record of the batch says counts as well
                user = str(row["user_id"])
                consents[user] = opt_outs.with_contact(consents, user, contact, now)
            for user, row in rows.items():
                row.update(asdict(consents[user]))
            was_passed = self._barrier.is_passed(connection, now)
            erasure = Erasure(connection, rows.keys() - present, self._default_region, self._ledger.hash_key)
            queries.contacts.upsert_newer(connection, list(rows.values()))
            has_erased = erasure.apply()
            opt_outs.lift_after_consent(connection, present)
            queries.reminders.wake_deferred(connection, *MENDED_BY_CONTACT, users=present)
            _put_offsets(connection, batch)
            if not was_passed:
                self._wake_where_fresh(connection, now, lambda partition: True)
        if has_erased:
            self._ledger.scrub()

    def advance_offsets(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Store that these partitions have been read up to these offsets, with no record just before them.

        A topic may end in transaction markers or in records that compaction removed.
        """
        now = self._now()
        with self._ledger.transaction() as connection:
            was_passed = self._barrier.is_passed(connection, now)
            queries.replicas.advance_offsets(connection, topic, dict(offsets))
            if not was_passed:
                self._wake_where_fresh(connection, now, lambda partition: True)

    def _phone_hash(self, text: object) -> str | None:
        phone = read_phone(text if isinstance(text, str) else None, self._default_region)
        return phone_hash(phone.digits, self._ledger.hash_key) if isinstance(phone, Phone) else None

    def _email_hash(self, text: object) -> str | None:
        address = normalize_email(text) if isinstance(text, str) else None
        return None if address is None else email_hash(address, self._ledger.hash_key)

    def _wake_where_fresh(self, connection: Connection, now: Millis, is_affected: Callable[[int], bool]) -> None:
        """Make rows due that waited for detect or for the contacts."""
        if self._barrier.is_passed(connection, now):
            watermarks = queries.replicas.watermarks(connection)
            fresh = {n for n, mark in watermarks.items() if is_affected(n) and is_fresh(mark, now, self._rules)}
            if fresh:
                queries.reminders.wake_deferred(connection, "detect_behind", "contacts_behind", partitions=fresh)


def _contact_row(received: Received[Contact]) -> dict[str, object] | None:
    """Return the row for a contact record; None if it names no user."""
    user_id = _user_of(received)
    if not user_id:
        log.error("contact_without_user", **coordinates(received))
        return None
    contact = received.value or Contact(user_id=user_id, updated_at=0)
    return {
        "user_id": user_id,
        "name": without_nul(contact.name),
        "phone": without_nul(contact.phone),
        "locale": without_nul(contact.locale),
        "timezone": without_nul(contact.timezone),
        "email": without_nul(contact.email),
        "updated_at": None if received.value is None else contact.updated_at,
        "erased": received.value is None,
        "source_partition": received.partition,
        "source_offset": received.offset,
    }


def _user_of(received: Received[Contact]) -> str:
    if received.value is not None:
        return received.value.user_id
    user_id = text_of_key(received.key or b"") or ""
    return "" if text_problem("user_id", user_id) else user_id


def _put_offsets(connection: Connection, batch: Sequence[Received[T]]) -> None:
    offsets: dict[str, dict[int, int]] = {}
    for received in batch:
        partitions = offsets.setdefault(received.topic, {})
        partitions[received.partition] = max(partitions.get(received.partition, 0), received.offset + 1)
    for topic, by_partition in offsets.items():
        queries.replicas.advance_offsets(connection, topic, by_partition)
