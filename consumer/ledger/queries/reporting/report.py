"""What a report counts over a span of time. Each reads all reminders of the span: for a report, not for the service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from consumer.clock import Millis
from consumer.ledger.schema.tables import attempts, reminders
from consumer.records import WHATSAPP


@dataclass(frozen=True, slots=True)
class FunnelCount:
    """How many reminders of a process and step ended here; `returned` and `ended` are those of which the person
    came back, or finished or cancelled the process."""

    process: str
    step: int
    medium: str
    status: str
    reason: str | None
    count: int
    returned: int
    ended: int


@dataclass(frozen=True, slots=True)
class FailureCount:
    """How many attempts failed for this cause."""

    process: str
    medium: str
    outcome: str
    reason: str | None
    error_code: int | None
    count: int


def funnel(connection: Connection, since: Millis, until: Millis, process: str | None) -> list[FunnelCount]:
    """Count the reminders requested in this span, by where they stand now."""
    r = reminders.c
    key = (r.process, r.step, r.medium, r.status, r.reason)
    returned, ended = (func.sum(case((moment.is_not(None), 1), else_=0)) for moment in (r.returned_at, r.completed_at))
    query = select(*key, func.count(), returned, ended).where(*_requested(since, until, process))
    return [FunnelCount(*_plain(row)) for row in connection.execute(query.group_by(*key).order_by(*key))]


def failures(connection: Connection, since: Millis, until: Millis, process: str | None) -> list[FailureCount]:
    """Count the attempts of this span that did not succeed, the most frequent cause first."""
    a = attempts.c
    key = (a.process, a.medium, a.outcome, a.reason, a.error_code)
    query = select(*key, func.count()).where(
        a.started_at >= since, a.started_at < until, a.outcome.not_in(["accepted", "sending"])
    )
    if process is not None:
        query = query.where(a.process == process)
    found = [FailureCount(*_plain(row)) for row in connection.execute(query.group_by(*key))]
    return sorted(found, key=lambda each: (-each.count, each.process, each.reason or ""))


def lapse_to_send(connection: Connection, since: Millis, until: Millis, process: str | None) -> list[Millis]:
    """Return how long after its lapse each reminder of this span was first sent, the shortest first."""
    r, a = reminders.c, attempts.c
    delay = a.started_at - func.coalesce(r.lapsed_at, r.last_seen)
    query = select(delay).select_from(attempts.join(reminders)).where(a.number == 1)
    return sorted(connection.scalars(query.where(*_requested(since, until, process))))


def delivered_phones(
    connection: Connection, since: Millis, until: Millis, process: str | None
) -> list[tuple[str, str | None]]:
    """Return (process, phone) of every WhatsApp message of this span that was delivered; None for an erased person."""
    r = reminders.c
    query = select(r.process, r.phone).where(r.status.in_(["delivered", "read"]), r.medium == WHATSAPP)
    return [(row[0], row[1]) for row in connection.execute(query.where(*_requested(since, until, process)))]


def _requested(since: Millis, until: Millis, process: str | None) -> list[ColumnElement[bool]]:
    conditions = [reminders.c.created_at >= since, reminders.c.created_at < until]
    return conditions if process is None else [*conditions, reminders.c.process == process]


def _plain(row: Sequence[Any]) -> list[Any]:
    return [int(value) if isinstance(value, bool) or hasattr(value, "to_integral_value") else value for value in row]
