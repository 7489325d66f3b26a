"""Publishes what is durable in the ledger onto `delivery-status` and `opt-outs`, one replica at a time and in order.

Records are published first and flagged after: a crash in between may repeat records, but never loses, invents or
reorders one. A reader that must not count a record twice recognises it by its `event_id`.
A record that the broker refuses while it takes others is set aside, with the reason, and the others go on. It is
offered again by the next process: a reader puts it into its place by its `sequence`.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import structlog
from sqlalchemy import Connection, Table

from consumer.clock import Millis
from consumer.deliver.leader_lease import LeaderLease
from consumer.ledger import queries
from consumer.ledger.queries.outbox import OptOutRecord, Transition
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.records import DeliveryStatus, OptOut

_EVENT_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://lapse.invalid/delivery-status")

_MAX_REFUSED = 8
"""Refusals of single records, with none taken before them, after which the topic is what is wrong."""
_STATUS_FIELDS = [field.name for field in fields(DeliveryStatus) if field.name != "event_id"]
_SUBJECTS = {"user": "user_id", "phone": "phone_hash", "email": "email_hash"}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OptOutLifted:
    """An opt-out is over since `at`; `subject` as in `tables.opt_outs`."""

    subject: str
    at: Millis


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """A record of `delivery-status`, and the `traceparent` of its headers."""

    status: DeliveryStatus
    traceparent: str | None


OutboxRecord = StatusRecord | OptOut | OptOutLifted


@dataclass(frozen=True, slots=True)
class Outbox:
    """Records of one kind. `topic` is its topic's name in the settings, `table` one of `queries.outbox`.

    `unpublished` returns the oldest records that are not published, at most so many, in the order in which they
    happened, each with its id in the outbox; None for what is none.
    """

    topic: str
    table: Table
    unpublished: Callable[[Connection, int], Sequence[tuple[int, OutboxRecord | None]]]


class RecordsRefused(Exception):
    """At least one of the records cannot be written, now and later; none was written. `why` is the error's name.

    `by_us`: the broker was not asked, since the record does not fit its schema.
    """

    def __init__(self, why: str, text: str, *, by_us: bool = False) -> None:
        super().__init__(text)
        self.why = why
        self.by_us = by_us


class RecordWriter(Protocol):
    """Writes onto topics, as the only writer."""

    def begin(self) -> None:
        """Fence the writers before this one, unless that is done already. Raises if that is not certain."""
        ...

    def write(self, records: Sequence[OutboxRecord]) -> None:
        """Return once all of these are where others can read them.

        Raises RecordsRefused, and something else if it is not certain that they are; then call `begin` again.
        """
        ...

    def close(self) -> None: ...


class OutboxPublisher:
    """Moves records from the outboxes to `writer` while this replica holds the lease. Blocks its thread."""

    def __init__(
        self,
        ledger: Ledger,
        outboxes: Sequence[Outbox],
        writer: RecordWriter,
        lease: LeaderLease,
        metrics: DeliverMetrics,
        *,
        batch: int = 500,
    ) -> None:
        self._ledger = ledger
        self._outboxes = outboxes
        self._writer = writer
        self._lease = lease
        self._metrics = metrics
        self._batch = batch
        self._one_at_a_time = threading.Lock()
        self._has_offered_again = False
        self.detail: str | None = None
        """What people should know about the records that were set aside."""

    def step(self) -> int:
        """Publish one batch of each outbox, if this replica leads. Returns how many records; raises what failed.

        First the lease, then the fence, then the reading: no earlier publisher can write any more when this one reads
        what is left to publish. What is wrong with one topic does not keep the other waiting.
        """
        with self._one_at_a_time:
            self._count()
            if not self._lease.is_held():
                return 0
            self._offer_again()
            published, failures = 0, list[Exception]()
            for outbox in self._outboxes:
                try:
                    published += self._publish(outbox)
                except RecordsRefused as refusal:
                    failures.append(refusal)
                except Exception:
                    self._lease.release()  # another replica may try: the broker may answer it
                    raise
            if failures:
                self._lease.release()
                raise failures[0]
            return published

    def close(self) -> None:
        """Close the writer and release the lease. Raises what the ledger raises."""
        self._writer.close()
        self._lease.release()

    def _offer_again(self) -> None:
        """Once in a process: somebody may have raised the topic's limit, and restarted it for that."""
        if self._has_offered_again:
            return
        with self._ledger.transaction() as connection:
            number = sum(queries.outbox.forget_refused(connection, outbox.table) for outbox in self._outboxes)
        self._has_offered_again = True
        if number:
            _log.info("records_offered_again", records=number)

    def _publish(self, outbox: Outbox) -> int:
        self._writer.begin()
        with self._ledger.reading() as connection:
            waiting = outbox.unpublished(connection, self._batch)
        if not waiting:
            return 0
        readable = [(number, record) for number, record in waiting if record is not None]
        refused = {number: "unusable_row" for number, record in waiting if record is None} | self._write(readable)
        with self._ledger.transaction() as connection:
            ids = [number for number, _ in waiting if number not in refused]
            queries.outbox.mark_published(connection, outbox.table, ids)
            for number, why in refused.items():
                queries.outbox.set_aside(connection, outbox.table, number, why)
        for number, why in refused.items():
            _log.error("record_set_aside", topic=outbox.topic, number=number, reason=why)
        self._metrics.outbox_backlog.dec(len(waiting))
        return len(waiting)

    def _write(self, records: Sequence[tuple[int, OutboxRecord]]) -> dict[int, str]:
        """Write these in order, and return those that cannot be written, with the reason.

        Raises RecordsRefused if the broker takes none of them: then it is not the records that are wrong.
        """
        refused: dict[int, str] = {}
        by_broker, is_any_taken = list[RecordsRefused](), False
        parts = [records] if records else []
        while parts:
            part = parts.pop()
            try:
                self._writer.begin()
                self._writer.write([record for _, record in part])
            except RecordsRefused as refusal:
                if len(part) > 1:
                    parts += [part[len(part) // 2 :], part[: len(part) // 2]]
                    continue
                refused[part[0][0]] = refusal.why
                by_broker += [] if refusal.by_us else [refusal]
            else:
                is_any_taken = True
            if not is_any_taken and by_broker and (not parts or len(by_broker) == _MAX_REFUSED):
                raise by_broker[-1]
        return refused

    def _count(self) -> None:
        with self._ledger.reading() as connection:
            counts = {each.topic: queries.outbox.count(connection, each.table) for each in self._outboxes}
        for topic, count in counts.items():
            self._metrics.outbox_refused.labels(topic).set(count.refused)
        self._metrics.outbox_backlog.set(sum(count.waiting for count in counts.values()))
        refused = sum(count.refused for count in counts.values())
        self.detail = f"set aside because the broker refuses them: {refused} records" if refused else None


def event_id(reminder_id: str, medium: str, sequence: int) -> str:
    """Return the id of a transition's record: the same however often it is published.

    The medium is part of it, because each medium of a reminder has its own sequence.
    """
    return str(uuid.uuid5(_EVENT_IDS, f"{reminder_id}/{medium}/{sequence}"))


def _unpublished_statuses(connection: Connection, limit: int) -> Sequence[tuple[int, OutboxRecord | None]]:
    found = queries.outbox.unpublished_transitions(connection, limit)
    return [(each.id, StatusRecord(_delivery_status(each), each.traceparent)) for each in found]


def _unpublished_opt_outs(connection: Connection, limit: int) -> Sequence[tuple[int, OutboxRecord | None]]:
    return [(each.id, _opt_out(each)) for each in queries.outbox.unpublished_opt_outs(connection, limit)]


def _opt_out(o: OptOutRecord) -> OptOut | OptOutLifted | None:
    kind, _, name = o.subject.partition(":")
    if kind not in _SUBJECTS:
        return None
    if o.reason is None:
        return OptOutLifted(o.subject, o.occurred_at)
    who = {_SUBJECTS[kind]: name}
    return OptOut(medium=o.medium, reason=o.reason, source=o.source, occurred_at=o.occurred_at, **who)


def _delivery_status(t: Transition) -> DeliveryStatus:
    values = {name: getattr(t, name) for name in _STATUS_FIELDS}
    return DeliveryStatus(event_id=event_id(t.reminder_id, t.medium, t.sequence), **values)


STATUSES = Outbox("delivery_status", queries.outbox.TRANSITIONS, _unpublished_statuses)
"""Transitions of reminders, for `delivery-status`."""
OPT_OUTS = Outbox("opt_outs", queries.outbox.OPT_OUTS, _unpublished_opt_outs)
"""Opt-outs and their ends, for `opt-outs`."""
