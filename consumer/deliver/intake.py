"""Takes detect's reminders and the CRM's contacts into the ledger.

Each batch is one transaction together with the offsets at which it was read, and a repeated batch changes nothing:
reminders have a primary key, contacts an offset, and watermarks never go back.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias, TypeVar

import structlog
from sqlalchemy import Connection

from consumer.activity.schemas.framing import text_of_key
from consumer.clock import Millis, Now
from consumer.deliver.lifecycle import FINAL, IN_DOUBT, UNSENT, Cancel, Status, Suppress
from consumer.deliver.operations import ledger_restore
from consumer.deliver.policy.checks import CheckRules, is_fresh, too_old_at
from consumer.deliver.policy.record_bounds import text_problem
from consumer.deliver.recipients import opt_outs
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.recipients.erasure import Erasure
from consumer.deliver.recipients.person import read_phone
from consumer.deliver.unit_of_work import Key, UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.phone import Phone
from consumer.records import WHATSAPP, Contact, Received, Reminder, ReminderKind

_OPEN = sorted(status.value for status in UNSENT | IN_DOUBT)
T = TypeVar("T")
Request: TypeAlias = tuple[ReminderKind, ReminderRow]
"""What detect asks for, and the reminder as a new row."""
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
        watermarks = _watermarks(batch)
        with unit_of_work(self._ledger, self._metrics, self._now()) as work:
            requests = [each for each in (_request(received, work.now) for received in batch) if each is not None]
            _Requests(work, self._rules, _in_doubt(work.connection, batch)).apply(requests)
            queries.replicas.advance_watermarks(work.connection, watermarks)
            _put_offsets(work.connection, batch)
            self._wake_where_fresh(work.connection, work.now, lambda partition: partition in watermarks)

    def take_contacts(self, batch: Sequence[Received[Contact]]) -> None:
        """Store the latest record of each user. A null value erases the person."""
        records = [(received.value, row) for received in batch if (row := _contact_row(received)) is not None]
        rows = {str(row["user_id"]): row for _, row in records}
        present = {user for user, row in rows.items() if not row["erased"]}
        for row in rows.values():
            row["phone_hash"] = self._phone_hash(row["phone"])
        with self._ledger.transaction() as connection:
            queries.replicas.lock_facts_exclusive(connection)
            declined: dict[str, Millis | None] = {**queries.contacts.declined_at_by_user(connection, rows)}
            for contact, row in records:  # a no in an earlier record of the batch counts as well
                user = str(row["user_id"])
                row["declined_at"] = declined[user] = opt_outs.declined_at_after(declined.get(user), contact)
            was_passed = self._barrier.is_passed(connection)
            erasure = Erasure(connection, rows.keys() - present, self._default_region, self._ledger.hash_key)
            queries.contacts.upsert_newer(connection, list(rows.values()))
            erasure.apply()
            opt_outs.lift_after_consent(connection, present)
            queries.reminders.wake_deferred(connection, "no_contact", users=present)
            _put_offsets(connection, batch)
            if not was_passed:
                self._wake_where_fresh(connection, self._now(), lambda partition: True)

    def advance_offsets(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Store that these partitions have been read up to these offsets, with no record just before them.

        A topic may end in transaction markers or in records that compaction removed.
        """
        with self._ledger.transaction() as connection:
            was_passed = self._barrier.is_passed(connection)
            queries.replicas.advance_offsets(connection, topic, dict(offsets))
            if not was_passed:
                self._wake_where_fresh(connection, self._now(), lambda partition: True)

    def _phone_hash(self, text: object) -> str | None:
        phone = read_phone(text if isinstance(text, str) else None, self._default_region)
        return opt_outs.phone_hash(phone.digits, self._ledger.hash_key) if isinstance(phone, Phone) else None

    def _wake_where_fresh(self, connection: Connection, now: Millis, is_affected: Callable[[int], bool]) -> None:
        """Make rows due that waited for detect or for the contacts."""
        if self._barrier.is_passed(connection):
            watermarks = queries.replicas.watermarks(connection)
            fresh = {n for n, mark in watermarks.items() if is_affected(n) and is_fresh(mark, now, self._rules)}
            if fresh:
                queries.reminders.wake_deferred(connection, "detect_behind", partitions=fresh)


class _Requests:
    """One batch of requests, applied one after the other to the rows that they may concern."""

    def __init__(self, work: UnitOfWork, rules: CheckRules, in_doubt: Collection[str] = ()) -> None:
        """`in_doubt` are ids of reminders that may have been sent before the ledger was restored from a backup."""
        self._work = work
        self._rules = rules
        self._in_doubt = in_doubt
        self._by_id: dict[str, list[Key]] = {}
        self._by_user: dict[tuple[str, str], list[Key]] = {}

    def apply(self, requests: Sequence[Request]) -> None:
        work, due = self._work, [row for kind, row in requests if kind is ReminderKind.DUE]
        work.add_locked(queries.reminders.lock_by_ids(work.connection, {row.reminder_id for _, row in requests}))
        if due:
            users, oldest = {row.user_id for row in due}, min(row.last_seen for row in due)
            work.add_locked(queries.reminders.lock_related(work.connection, users, oldest, _OPEN))
        for row in work.rows():
            self._index(row)
        for kind, row in requests:
            self._add_due(row) if kind is ReminderKind.DUE else self._end(row, kind)

    def _index(self, row: ReminderRow) -> None:
        self._by_id.setdefault(row.reminder_id, []).append(row.key)
        self._by_user.setdefault((row.user_id, row.process), []).append(row.key)

    def _add_due(self, row: ReminderRow) -> None:
        if row.reminder_id in self._by_id:
            return  # repeated, or its return arrived first
        others = [self._row(key) for key in self._by_user.get((row.user_id, row.process), ())]
        self._insert(row)
        if row.reminder_id in self._in_doubt:
            ledger_restore.mark_unknown(self._work, row.key)
        elif row.lapsed_at is not None and self._work.now >= too_old_at(row.lapsed_at, self._rules):
            self._work.apply_event(row.key, Suppress("expired"))
        elif any(_lapse_order(other) > _lapse_order(row) for other in others):
            self._work.apply_event(row.key, Cancel("superseded"))
        for other in others:
            if _lapse_order(other) < _lapse_order(row):
                self._supersede(other)

    def _supersede(self, earlier: ReminderRow) -> None:
        status = Status(earlier.status)
        if status in UNSENT:
            self._work.apply_event(earlier.key, Cancel("superseded"))
        elif status in IN_DOUBT and earlier.superseded_at is None:
            self._work.update(earlier._replace(superseded_at=self._work.now))

    def _end(self, row: ReminderRow, kind: ReminderKind) -> None:
        """Note how the process went on, on every row of the reminder, and cancel the rows that are not final."""
        if row.reminder_id not in self._by_id:
            self._insert(row)
        for key in self._by_id[row.reminder_id]:
            stored = self._row(key)
            if kind is ReminderKind.RETURNED and stored.returned_at is None:
                self._work.update(stored._replace(returned_at=row.occurred_at))
            elif kind is not ReminderKind.RETURNED and stored.completed_at is None:
                self._work.update(stored._replace(completed_at=row.occurred_at))
            if Status(stored.status) not in FINAL:
                reason = "returned" if kind is ReminderKind.RETURNED else "completed"
                self._work.apply_event(key, Cancel(reason), row.occurred_at)

    def _insert(self, row: ReminderRow) -> None:
        self._work.insert(row)
        self._index(row)

    def _row(self, key: Key) -> ReminderRow:
        row = self._work.get(key)
        assert row is not None
        return row


def _lapse_order(row: ReminderRow) -> tuple[Millis, int]:
    """Return a key that orders the reminders of one user and process."""
    return row.last_seen, row.step


def _request(received: Received[Reminder], now: Millis) -> Request | None:
    """Return what a record asks for; None if it is of no reminder, or incomplete (detect writes no such record)."""
    reminder = received.value
    if reminder is None or reminder.kind in {ReminderKind.WATERMARK, ReminderKind.REBUILT}:
        return None
    reminder_id, user_id, process = reminder.reminder_id, reminder.user_id, reminder.process
    step, last_seen = reminder.step, reminder.last_seen
    incomplete = reminder.kind is ReminderKind.DUE and reminder.lapsed_at is None
    if incomplete or not (reminder_id and user_id and process) or step is None or last_seen is None:
        log.error("reminder_incomplete", kind=reminder.kind.value, **_coordinates(received))
        return None
    return reminder.kind, ReminderRow(
        reminder_id=reminder_id,
        medium=WHATSAPP,
        user_id=user_id,
        process=process,
        step=step,
        action=_without_nul(reminder.action),
        last_seen=last_seen,
        lapsed_at=reminder.lapsed_at,
        occurred_at=reminder.occurred_at,
        partition=received.partition,
        status=Status.PLANNED.value,
        due_at=min(now, reminder.lapsed_at or now),
        created_at=now,
        updated_at=now,
    )


def _in_doubt(connection: Connection, batch: Sequence[Received[Reminder]]) -> set[str]:
    """Return the ids of reminders up to where the ledger once was, before it was restored from a backup."""
    until = queries.replicas.doubtful_offsets(connection, batch[0].topic) if batch else {}
    return {
        received.value.reminder_id
        for received in batch
        if received.offset < until.get(received.partition, 0) and received.value and received.value.reminder_id
    }


def _watermarks(batch: Sequence[Received[Reminder]]) -> dict[int, Millis]:
    """Return the watermark by partition. A DUE gives one too: detect noticed its lapse because it had passed it."""
    watermarks: dict[int, Millis] = {}
    for received in batch:
        reminder = received.value
        if reminder is not None and reminder.kind in {ReminderKind.WATERMARK, ReminderKind.DUE}:
            mark = reminder.occurred_at if reminder.kind is ReminderKind.WATERMARK else reminder.lapsed_at
            watermarks[received.partition] = max(watermarks.get(received.partition, 0), mark or 0)
    return watermarks


def _contact_row(received: Received[Contact]) -> dict[str, object] | None:
    """Return the row for a contact record; None if it names no user."""
    user_id = _user_of(received)
    if not user_id:
        log.error("contact_without_user", **_coordinates(received))
        return None
    contact = received.value or Contact(user_id=user_id, updated_at=0)
    return {
        "user_id": user_id,
        "name": _without_nul(contact.name),
        "phone": _without_nul(contact.phone),
        "locale": _without_nul(contact.locale),
        "timezone": _without_nul(contact.timezone),
        "email": _without_nul(contact.email),
        "opt_in": contact.opt_in,
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


def _coordinates(received: Received[T]) -> dict[str, object]:
    return {"topic": received.topic, "partition": received.partition, "offset": received.offset}


def _without_nul(text: str | None) -> str | None:
    """Return the text as PostgreSQL can store it."""
    return None if text is None else text.replace("\0", "")


def _put_offsets(connection: Connection, batch: Sequence[Received[T]]) -> None:
    offsets: dict[str, dict[int, int]] = {}
    for received in batch:
        partitions = offsets.setdefault(received.topic, {})
        partitions[received.partition] = max(partitions.get(received.partition, 0), received.offset + 1)
    for topic, by_partition in offsets.items():
        queries.replicas.advance_offsets(connection, topic, by_partition)
