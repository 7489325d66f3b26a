"""Takes what detect asks for, and what the CRM knows, into the ledger.

Each batch is one transaction together with the offsets it was read at, and a batch that comes again changes nothing:
reminders by their primary key, contacts by their offset, clocks because they never go back.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias, TypeVar

import structlog
from sqlalchemy import Connection

from consumer.clock import Millis, Now
from consumer.deliver.lifecycle import FINAL, IN_DOUBT, UNSENT, Cancel, Status, Suppress
from consumer.deliver.operations import ledger_restore
from consumer.deliver.policy.checks import CheckRules, is_fresh, too_old_at
from consumer.deliver.recipients import opt_outs
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.recipients.erasure import Erasure
from consumer.deliver.unit_of_work import Key, UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.phone import Phone, normalize_phone
from consumer.records import Contact, Received, Reminder, ReminderKind

WHATSAPP = "whatsapp"
_OPEN = sorted(status.value for status in UNSENT | IN_DOUBT)
T = TypeVar("T")
Asked: TypeAlias = tuple[ReminderKind, ReminderRow]
"""What is asked, and the reminder it is about as it would look if it were new."""
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

    def reminders(self, batch: Sequence[Received[Reminder]]) -> None:
        """DUE becomes a row; RETURNED, COMPLETED and CANCELLED cancel what has not gone out; WATERMARK says how far detect is."""
        clocks = _clocks(batch)
        with unit_of_work(self._ledger, self._metrics, self._now()) as work:
            asks = [ask for ask in (_ask(received, work.now) for received in batch) if ask is not None]
            _Asks(work, self._rules, _in_doubt(work.connection, batch)).take(asks)
            queries.replicas.advance_watermarks(work.connection, clocks)
            _note_offsets(work.connection, batch)
            self._wake_where_fresh(work.connection, work.now, lambda partition: partition in clocks)

    def contacts(self, batch: Sequence[Received[Contact]]) -> None:
        """The latest word on each user. A null value erases the person."""
        said = [(received.value, row) for received in batch if (row := _contact(received)) is not None]
        rows = {str(row["user_id"]): row for _, row in said}
        known = {user for user, row in rows.items() if not row["erased"]}
        for row in rows.values():
            row["phone_hash"] = self._phone_hash(row["phone"])
        with self._ledger.transaction() as connection:
            queries.replicas.lock_facts_exclusive(connection)
            declined: dict[str, Millis | None] = {**queries.contacts.declined_at_by_user(connection, rows)}
            for contact, row in said:  # a no before the last word counts as well
                user = str(row["user_id"])
                row["declined_at"] = declined[user] = opt_outs.declined_after(declined.get(user), contact)
            was_open = self._barrier.is_passed(connection)
            erasure = Erasure(connection, rows.keys() - known, self._default_region, self._ledger.hash_key)
            queries.contacts.upsert_newer(connection, list(rows.values()))
            erasure.apply()
            opt_outs.lift(connection, known)
            queries.reminders.wake_deferred(connection, "no_contact", users=known)
            _note_offsets(connection, batch)
            if not was_open:
                self._wake_where_fresh(connection, self._now(), lambda partition: True)

    def _phone_hash(self, phone: object) -> str | None:
        reach = normalize_phone(phone if isinstance(phone, str) else None, self._default_region)
        return opt_outs.phone_hash(reach.digits, self._ledger.hash_key) if isinstance(reach, Phone) else None

    def reached(self, topic: str, positions: Mapping[int, int]) -> None:
        """These partitions have been read up to these offsets, although no record stands just before them.

        A topic may end in transaction markers or records that compaction took.
        """
        with self._ledger.transaction() as connection:
            was_open = self._barrier.is_passed(connection)
            queries.replicas.advance_offsets(connection, topic, dict(positions))
            if not was_open:
                self._wake_where_fresh(connection, self._now(), lambda partition: True)

    def _wake_where_fresh(self, connection: Connection, now: Millis, concerns: Callable[[int], bool]) -> None:
        """Rows that waited for detect or for the contacts may be looked at again."""
        if self._barrier.is_passed(connection):
            clocks = queries.replicas.watermarks(connection)
            fresh = {n for n, clock in clocks.items() if concerns(n) and is_fresh(clock, now, self._rules)}
            if fresh:
                queries.reminders.wake_deferred(connection, "detect_behind", partitions=fresh)


class _Asks:
    """One batch of asks, taken one after the other, over the rows that they may concern."""

    def __init__(self, work: UnitOfWork, rules: CheckRules, in_doubt: Collection[str] = ()) -> None:
        """`in_doubt` are ids of reminders that may have been sent before the ledger was restored from a backup."""
        self._work = work
        self._rules = rules
        self._in_doubt = in_doubt
        self._by_id: dict[str, list[Key]] = {}
        self._by_user: dict[tuple[str, str], list[Key]] = {}

    def take(self, asks: Sequence[Asked]) -> None:
        work, due = self._work, [row for kind, row in asks if kind is ReminderKind.DUE]
        work.add_locked(queries.reminders.lock_by_ids(work.connection, {row.reminder_id for _, row in asks}))
        if due:
            users, oldest = {row.user_id for row in due}, min(row.last_seen for row in due)
            work.add_locked(queries.reminders.lock_related(work.connection, users, oldest, _OPEN))
        for row in work.rows():
            self._index(row)
        for kind, row in asks:
            self._due(row) if kind is ReminderKind.DUE else self._answered(row, kind)

    def _index(self, row: ReminderRow) -> None:
        self._by_id.setdefault(row.reminder_id, []).append(row.key)
        self._by_user.setdefault((row.user_id, row.process), []).append(row.key)

    def _due(self, row: ReminderRow) -> None:
        if row.reminder_id in self._by_id:
            return  # it came before, or its return overtook it
        others = [self._row(key) for key in self._by_user.get((row.user_id, row.process), ())]
        self._add(row)
        if row.reminder_id in self._in_doubt:
            ledger_restore.doubt(self._work, row.key)
        elif row.lapsed_at is not None and self._work.now >= too_old_at(row.lapsed_at, self._rules):
            self._work.apply_event(row.key, Suppress("expired"))
        elif any(_rung(other) > _rung(row) for other in others):
            self._work.apply_event(row.key, Cancel("superseded"))
        for other in others:
            if _rung(other) < _rung(row):
                self._supersede(other)

    def _supersede(self, earlier: ReminderRow) -> None:
        status = Status(earlier.status)
        if status in UNSENT:
            self._work.apply_event(earlier.key, Cancel("superseded"))
        elif status in IN_DOUBT and earlier.superseded_at is None:
            self._work.update(earlier._replace(superseded_at=self._work.now))

    def _answered(self, row: ReminderRow, kind: ReminderKind) -> None:
        """The user came back, or finished. Noted on every row of the reminder, sent or not."""
        if row.reminder_id not in self._by_id:
            self._add(row)
        for key in self._by_id[row.reminder_id]:
            there = self._row(key)
            if kind is ReminderKind.RETURNED and there.returned_at is None:
                self._work.update(there._replace(returned_at=row.occurred_at))
            elif kind is not ReminderKind.RETURNED and there.completed_at is None:
                self._work.update(there._replace(completed_at=row.occurred_at))
            if Status(there.status) not in FINAL:
                self._work.apply_event(
                    key, Cancel("returned" if kind is ReminderKind.RETURNED else "completed"), row.occurred_at
                )

    def _add(self, row: ReminderRow) -> None:
        self._work.insert(row)
        self._index(row)

    def _row(self, key: Key) -> ReminderRow:
        row = self._work.get(key)
        assert row is not None
        return row


def _rung(row: ReminderRow) -> tuple[Millis, int]:
    """Orders the reminders of one user and process."""
    return row.last_seen, row.step


def _ask(received: Received[Reminder], now: Millis) -> Asked | None:
    """The row a record asks for; None for a clock, and for a record that says too little (detect writes none)."""
    ask = received.value
    if ask is None or ask.kind in {ReminderKind.WATERMARK, ReminderKind.REBUILT}:
        return None
    reminder_id, user_id, process, step, last_seen = ask.reminder_id, ask.user_id, ask.process, ask.step, ask.last_seen
    incomplete = ask.kind is ReminderKind.DUE and ask.lapsed_at is None
    if incomplete or not (reminder_id and user_id and process) or step is None or last_seen is None:
        spot = {"topic": received.topic, "partition": received.partition, "offset": received.offset}
        log.error("reminder_incomplete", kind=ask.kind.value, **spot)
        return None
    return ask.kind, ReminderRow(
        reminder_id=reminder_id,
        medium=WHATSAPP,
        user_id=user_id,
        process=process,
        step=step,
        action=_storable(ask.action),
        last_seen=last_seen,
        lapsed_at=ask.lapsed_at,
        occurred_at=ask.occurred_at,
        partition=received.partition,
        status=Status.PLANNED.value,
        due_at=min(now, ask.lapsed_at or now),
        created_at=now,
        updated_at=now,
    )


def _in_doubt(connection: Connection, batch: Sequence[Received[Reminder]]) -> set[str]:
    """What was asked for up to where the ledger once was, before it was restored from a backup."""
    until = queries.replicas.doubtful_offsets(connection, batch[0].topic) if batch else {}
    return {
        received.value.reminder_id
        for received in batch
        if received.offset < until.get(received.partition, 0) and received.value and received.value.reminder_id
    }


def _clocks(batch: Sequence[Received[Reminder]]) -> dict[int, Millis]:
    """How far detect is, by partition. A DUE says so too: its lapse was noticed because the clock had passed it."""
    clocks: dict[int, Millis] = {}
    for received in batch:
        ask = received.value
        if ask is not None and ask.kind in {ReminderKind.WATERMARK, ReminderKind.DUE}:
            said = ask.occurred_at if ask.kind is ReminderKind.WATERMARK else ask.lapsed_at
            clocks[received.partition] = max(clocks.get(received.partition, 0), said or 0)
    return clocks


def _contact(received: Received[Contact]) -> dict[str, object] | None:
    """The row a contact record asks for; None where nobody is named."""
    user_id = _user_of(received)
    if not user_id:
        spot = {"topic": received.topic, "partition": received.partition, "offset": received.offset}
        log.error("contact_without_user", **spot)
        return None
    said = received.value or Contact(user_id=user_id, updated_at=0)
    return {
        "user_id": user_id,
        "name": _storable(said.name),
        "phone": _storable(said.phone),
        "locale": _storable(said.locale),
        "timezone": _storable(said.timezone),
        "email": _storable(said.email),
        "opt_in": said.opt_in,
        "updated_at": None if received.value is None else said.updated_at,
        "erased": received.value is None,
        "source_partition": received.partition,
        "source_offset": received.offset,
    }


def _user_of(received: Received[Contact]) -> str:
    if received.value is not None:
        return received.value.user_id
    return (received.key or b"").decode("utf-8", "replace")


def _storable(text: str | None) -> str | None:
    """PostgreSQL takes no NUL."""
    return None if text is None else text.replace("\0", "")


def _note_offsets(connection: Connection, batch: Sequence[Received[T]]) -> None:
    ends: dict[str, dict[int, int]] = {}
    for received in batch:
        partitions = ends.setdefault(received.topic, {})
        partitions[received.partition] = max(partitions.get(received.partition, 0), received.offset + 1)
    for topic, offsets in ends.items():
        queries.replicas.advance_offsets(connection, topic, offsets)
