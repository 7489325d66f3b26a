"""What a report counts over a span of time. Each reads all reminders of the span: for a report, not for the service."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select, text

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


@dataclass(frozen=True, slots=True)
class DeliveredCount:
    """How many delivered messages of a process went to phones that begin with the same four digits: the calling code
    and, in North America, the area code. `phone` is one of them, None those of erased people."""

    process: str
    phone: str | None = field(repr=False)
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


def delivered(connection: Connection, since: Millis, until: Millis, process: str | None) -> list[DeliveredCount]:
    """Count the WhatsApp messages of this span that were delivered, by process and where their phones are."""
    r = reminders.c
    key = (r.process, func.substr(r.phone, 1, text("4")).label("area"))
    query = select(*key, func.min(r.phone), func.count())
    query = query.where(r.status.in_(["delivered", "read"]), r.medium == WHATSAPP, *_requested(since, until, process))
    rows = connection.execute(query.group_by(r.process, text("area")).order_by(r.process))
    return [DeliveredCount(process, phone, count) for process, _, phone, count in rows]


def _requested(since: Millis, until: Millis, process: str | None) -> list[ColumnElement[bool]]:
    conditions = [reminders.c.created_at >= since, reminders.c.created_at < until]
    return conditions if process is None else [*conditions, reminders.c.process == process]


def _plain(row: Sequence[Any]) -> list[Any]:
    return [int(value) if isinstance(value, bool) or hasattr(value, "to_integral_value") else value for value in row]
