"""What detect asks of deliver, applied to the rows that it may concern."""

from collections.abc import Collection, Sequence
from typing import TypeAlias, TypeVar

import structlog
from sqlalchemy import Connection

from consumer.clock import Millis
from consumer.deliver.lifecycle import FINAL, IN_DOUBT, UNSENT, Cancel, Status, Suppress
from consumer.deliver.operations import ledger_restore
from consumer.deliver.policy.checks import CheckRules, too_old_at
from consumer.deliver.unit_of_work import Key, UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.replicas import DetectStanding
from consumer.ledger.schema.rows import ReminderRow
from consumer.records import WHATSAPP, Received, Reminder, ReminderKind

_END_COLUMNS = {
    ReminderKind.RETURNED: "returned_at",
    ReminderKind.COMPLETED: "completed_at",
    ReminderKind.CANCELLED: "cancelled_at",
}
_OPEN = sorted(status.value for status in UNSENT | IN_DOUBT)
_MAY_HAVE_LEFT = frozenset(
    {Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ, Status.UNKNOWN, Status.UNRESOLVED}
)
T = TypeVar("T")
Request: TypeAlias = tuple[ReminderKind, ReminderRow]
"""What detect asks for, and the reminder as a new row."""
log = structlog.get_logger()


class ReminderRequests:
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
        others = [self._row(key) for key in self._by_user.get((row.user_id, row.process), ())]
        if row.reminder_id in self._by_id:  # repeated, or its return arrived first
            self._keep_after_rebuild(row, others)
            return
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

    def _keep_after_rebuild(self, row: ReminderRow, others: Sequence[ReminderRow]) -> None:
        """Want again what was held when detect's state was rebuilt, since detect has asked for it again."""
        if not any(_lapse_order(other) > _lapse_order(row) for other in others):
            for stored in map(self._row, self._by_id[row.reminder_id]):
                if Status(stored.status) in UNSENT and stored.superseded_at is not None:
                    self._work.update(stored._replace(superseded_at=None))

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
        self._work.end_episode(row, _END_COLUMNS[kind], row.occurred_at)
        for key in self._by_id[row.reminder_id]:
            stored = self._row(key)
            self._work.false_positives[stored.process] += _is_false_positive(stored, row.occurred_at)
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


def _is_false_positive(stored: ReminderRow, ended_at: Millis) -> bool:
    """Return whether the message left after the silence had ended, as is only heard now, and for the first time."""
    return (
        stored.returned_at is None
        and stored.completed_at is None
        and stored.attempted_at is not None
        and ended_at < stored.attempted_at
        and Status(stored.status) in _MAY_HAVE_LEFT
    )


def _lapse_order(row: ReminderRow) -> tuple[Millis, int]:
    """Return a key that orders the reminders of one user and process."""
    return row.last_seen, row.step


def request_of(received: Received[Reminder], now: Millis) -> Request | None:
    """Return what a record asks for; None if it is of no reminder, or incomplete (detect writes no such record)."""
    reminder = received.value
    if reminder is None or reminder.kind in {ReminderKind.WATERMARK, ReminderKind.REBUILT}:
        return None
    reminder_id, user_id, process = reminder.reminder_id, reminder.user_id, reminder.process
    step, last_seen = reminder.step, reminder.last_seen
    incomplete = reminder.kind is ReminderKind.DUE and reminder.lapsed_at is None
    if incomplete or not (reminder_id and user_id and process) or step is None or last_seen is None:
        log.error("reminder_incomplete", kind=reminder.kind.value, **coordinates(received))
        return None
    return reminder.kind, ReminderRow(
        reminder_id=reminder_id,
        medium=WHATSAPP,
        user_id=user_id,
        process=process,
        step=step,
        action=without_nul(reminder.action),
        last_seen=last_seen,
        lapsed_at=reminder.lapsed_at,
        occurred_at=reminder.occurred_at,
        partition=received.partition,
        status=Status.PLANNED.value,
        due_at=min(now, reminder.lapsed_at or now),
        traceparent=received.traceparent,
        created_at=now,
        updated_at=now,
    )


def ids_in_doubt(connection: Connection, batch: Sequence[Received[Reminder]]) -> set[str]:
    """Return the ids of reminders up to where the ledger once was, before it was restored from a backup."""
    until = queries.replicas.doubtful_offsets(connection, batch[0].topic) if batch else {}
    return {
        received.value.reminder_id
        for received in batch
        if received.offset < until.get(received.partition, 0) and received.value and received.value.reminder_id
    }


def standings_of(batch: Sequence[Received[Reminder]], now: Millis) -> dict[int, DetectStanding]:
    """Return by partition the watermark, and what was told last of what detect does there.

    A DUE gives a watermark too: detect noticed its lapse because it had passed it. None is later than `now`, whatever a
    record says: detect would count as fresh until then, though it had stopped.
    """
    standings: dict[int, DetectStanding] = {}
    for received in batch:
        reminder, before = received.value, standings.get(received.partition, DetectStanding(0))
        if reminder is None or reminder.kind not in {ReminderKind.WATERMARK, ReminderKind.DUE}:
            continue
        mark = reminder.occurred_at if reminder.kind is ReminderKind.WATERMARK else reminder.lapsed_at
        told = before if reminder.watched is None else reminder
        watermark = max(before.watermark, min(mark or 0, now))
        standings[received.partition] = DetectStanding(
            watermark, told.watched, told.held, without_nul(told.brake), told.distrusted
        )
    return standings


def coordinates(received: Received[T]) -> dict[str, object]:
    return {"topic": received.topic, "partition": received.partition, "offset": received.offset}


def without_nul(text: str | None) -> str | None:
    """Return the text as PostgreSQL can store it."""
    return None if text is None else text.replace("\0", "")
