"""Applies `lifecycle`'s transitions to rows of the ledger: timers, sequence numbers, and records for the outbox.

A `UnitOfWork` belongs to one transaction: it holds locked rows, changes them in memory, and writes each table once.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Connection

from consumer.clock import HOUR, Millis
from consumer.deliver.lifecycle import (
    NO_REPORT,
    SILENT,
    UNSENT,
    Change,
    Event,
    NoChange,
    Status,
    Suppress,
    transition,
)
from consumer.deliver.message_ids import is_digest
from consumer.deliver.policy.episodes import Decision, decision_of
from consumer.deliver.policy.fallback import fall_back_at
from consumer.deliver.policy.record_bounds import unusable_column
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.trace_context import log_fields

Key = tuple[str, str]
"""(reminder_id, medium)"""

log = structlog.get_logger()


def row_after(row: ReminderRow, change: Change, now: Millis) -> ReminderRow:
    """Return the row after a change: its status, and the one moment for which it waits there."""
    status = change.status
    message_id = None if status is Status.SENDING else change.message_id or row.message_id
    awaits_report = status in {Status.ACCEPTED, Status.SENT} and message_id is not None
    return row._replace(
        status=status.value,
        reason=change.reason,
        until=change.until,
        error_code=change.error_code,
        message_id=message_id,
        due_at=(now if change.until is None else change.until) if status in UNSENT else None,
        lease_until=row.lease_until if status is Status.SENDING else None,
        unknown_since=now if status is Status.UNKNOWN else None,
        quiet_since=now if (awaits_report or status is Status.UNKNOWN) and not change.final else None,
        fallback_at=fall_back_at(status, change.reason, accepted=message_id is not None, now=now),
        polls=0,
        sequence=row.sequence + change.publish,
        updated_at=now,
    )


class UnitOfWork:
    """The rows of one transaction, and their changes."""

    def __init__(self, connection: Connection, now: Millis, hash_key: bytes) -> None:
        self.connection = connection
        self.now = now
        self.hash_key = hash_key
        self._rows: dict[Key, ReminderRow] = {}
        self._stored: dict[Key, ReminderRow] = {}
        """Rows as they are in the ledger."""
        self._new: set[Key] = set()
        self._first_sequence: int | None = None
        self._changed: dict[Key, None] = {}
        self._transitions: list[dict[str, Any]] = []
        self._attempts: list[Mapping[str, object]] = []
        self._episode_ends: dict[str, list[Mapping[str, object]]] = {}
        """By column of `episode_tables.episodes`."""
        self.false_positives = Counter[str]()
        """By process; counted, like those below, once the transaction is durable."""
        self.webhook_reports = Counter[str]()
        """By outcome."""
        self.set_asides = 0
        """Rows that hold a value which no code expects."""

    def add_locked(self, rows: Iterable[ReminderRow]) -> list[ReminderRow]:
        """Add rows that this transaction has locked; a row that is already here stays as it is.

        Returns them, without those that hold a value which no code expects: these are set aside.
        """
        usable = []
        for row in rows:
            if row.key not in self._rows:
                if column := unusable_column(row):
                    self.set_aside(row, column)
                    continue
                self._rows[row.key] = self._stored[row.key] = row
            usable.append(row)
        return usable

    def set_aside(self, row: ReminderRow, why: str, *, may_end: bool = True) -> None:
        """Put a row that was locked, and cannot be handled, out of the way of the others.

        An unsent one is suppressed, with `may_end` and where it can be. Any other waits for an hour: another version of
        Lapse may understand it.
        """
        log.error("row_set_aside", reminder_id=row.reminder_id, medium=row.medium, why=why)
        self.set_asides += 1
        if not (may_end and row.status in UNSENT and why != "sequence"):
            queries.reminders.put_off(self.connection, row.key, self.now + HOUR)
            return
        changes = transition(Status(row.status), row.reason, Suppress("unusable_row"))
        assert not isinstance(changes, NoChange)
        [change] = changes
        after = row_after(row, change, self.now)
        queries.reminders.update_rows(self.connection, [(row, after)])
        self._transitions.append(_transition(after, change, self.now))

    def lock(self, keys: Collection[Key]) -> None:
        """Lock and add the rows with these keys that are not here yet."""
        missing = {reminder_id for reminder_id, medium in keys if (reminder_id, medium) not in self._rows}
        if missing:
            self.add_locked(queries.reminders.lock_by_ids(self.connection, missing))

    def get(self, key: Key) -> ReminderRow | None:
        return self._rows.get(key)

    def rows(self) -> list[ReminderRow]:
        return list(self._rows.values())

    def insert(self, row: ReminderRow) -> None:
        """Add a row that is not in the ledger yet. An earlier ledger may have published records of it."""
        if self._first_sequence is None:
            self._first_sequence = queries.sequences.first_sequence(self.connection)
        self._rows[row.key] = row._replace(sequence=max(row.sequence, self._first_sequence))
        self._new.add(row.key)
        self._changed[row.key] = None

    def journal_attempt(self, attempt: Mapping[str, object]) -> None:
        """Add a row of `tables.attempts`; it is written after its reminder."""
        self._attempts.append(attempt)

    def end_episode(self, row: ReminderRow, column: str, at: Millis) -> None:
        """Note that the silence of this reminder ended: `returned_at`, `completed_at` or `cancelled_at`."""
        self._episode_ends.setdefault(column, []).append({**_episode_key(row), "at": at})

    def update(self, row: ReminderRow) -> None:
        """Replace a row by one with other values beside its status."""
        self._rows[row.key] = row if row.updated_at == self.now else row._replace(updated_at=self.now)
        self._changed[row.key] = None

    def apply_event(self, key: Key, event: Event, at: Millis | None = None) -> tuple[Change, ...] | NoChange:
        """Apply an event to a row. `at` is when it happened outside; `now` if omitted."""
        row = self._rows[key]
        changes = transition(Status(row.status), row.reason, event)
        if isinstance(changes, NoChange):
            kind, trace = type(event).__name__, log_fields(row.traceparent)
            log.debug("nothing_changed", reminder_id=key[0], medium=key[1], event_kind=kind, why=changes.why, **trace)
            return changes
        for change in changes:
            row = row_after(row, change, self.now)
            if change.publish:
                self._transitions.append(_transition(row, change, self.now if at is None else at))
        self._rows[key] = row
        self._changed[key] = None
        return changes

    def flush(self) -> None:
        """Write all changes in the order in which they happened, each table once."""
        new = [self._rows[key] for key in self._changed if key in self._new]
        queries.reminders.insert_rows(self.connection, new)
        changed = ((self._stored[key], self._rows[key]) for key in self._changed if key not in self._new)
        queries.reminders.update_rows(self.connection, changed)
        queries.attempts.insert_rows(self.connection, self._attempts)
        queries.outbox.insert_transitions(self.connection, self._transitions)
        self._flush_episodes(new)

    def _flush_episodes(self, new: Iterable[ReminderRow]) -> None:
        queries.episodes.begin(self.connection, [_silence(row) for row in new])
        decided = {}
        for key in self._changed:
            row, stored = self._rows[key], self._stored.get(key)
            decision = decision_of(row)
            if decision is not None and (stored is None or decision != decision_of(stored)):
                decided[row.user_id, row.process, row.last_seen] = _decided(row, decision)
        queries.episodes.decide(self.connection, list(decided.values()))
        for column, rows in self._episode_ends.items():
            queries.episodes.end(self.connection, column, rows)

    def count_metrics(self, metrics: DeliverMetrics) -> None:
        """Count the transitions, and log them for debugging; called once the transaction is durable."""
        logger = log.bind()
        for each in self._transitions:
            fields = {name: each[name] for name in _LOGGED}
            logger.debug("reminder_changed", **fields, **log_fields(each["traceparent"]))
        label = metrics.process_label
        changes = Counter((label(t["process"]), t["medium"], t["status"], t["reason"]) for t in self._transitions)
        for (process, medium, status, reason), number in changes.items():
            metrics.statuses.labels(process, medium, status).inc(number)
            if status in {Status.SUPPRESSED, Status.CANCELLED}:
                metrics.suppressions.labels(process, status, reason).inc(number)
            if reason == NO_REPORT:
                metrics.unreported.labels(process).inc(number)
        for process, number in self.false_positives.items():
            metrics.false_positives.labels(label(process)).inc(number)
        for outcome, number in self.webhook_reports.items():
            metrics.webhook_reports.labels(outcome).inc(number)
        metrics.rows_set_aside.inc(self.set_asides)


_LOGGED = ("reminder_id", "medium", "process", "step", "status", "reason", "attempt")


def _episode_key(row: ReminderRow) -> dict[str, object]:
    return {"key_user": row.user_id, "key_process": row.process, "key_began": row.last_seen}


def _silence(row: ReminderRow) -> dict[str, object]:
    """Return the row's silence as a row of `episode_tables.episodes`."""
    return {
        "user_id": row.user_id,
        "process": row.process,
        "began_at": row.last_seen,
        "noticed_at": row.created_at,
        "step": row.step,
    }


def _decided(row: ReminderRow, decision: Decision) -> dict[str, object]:
    return {
        **_episode_key(row),
        "decision": decision.decision,
        "reason": decision.reason,
        "decided_at": row.updated_at,
        "step": row.step,
        "first_sent_at": row.attempted_at,
    }


def _transition(row: ReminderRow, change: Change, at: Millis) -> dict[str, Any]:
    assert change.status not in SILENT
    return {
        "reminder_id": row.reminder_id,
        "medium": row.medium,
        "sequence": row.sequence,
        "user_id": row.user_id,
        "process": row.process,
        "step": row.step,
        "status": change.status.value,
        "final": change.final,
        "reason": change.reason,
        "error_code": change.error_code,
        "message_id": None if is_digest(row.message_id) else row.message_id,
        "attempt": row.attempts or None,
        "template": row.template,
        "language": row.language,
        "lapsed_at": row.lapsed_at,
        "until": change.until,
        "source": change.source.value,
        "occurred_at": at,
        "recorded_at": row.updated_at,
        "traceparent": row.traceparent,
    }


@contextmanager
def unit_of_work(ledger: Ledger, metrics: DeliverMetrics, now: Millis) -> Iterator[UnitOfWork]:
    """Open a UnitOfWork in a transaction of its own; on leaving it is written, committed and then counted."""
    with ledger.transaction() as connection:
        work = UnitOfWork(connection, now, ledger.hash_key)
        yield work
        work.flush()
    work.count_metrics(metrics)
