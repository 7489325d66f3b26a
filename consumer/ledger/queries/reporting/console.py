"""What an operator looks at: how many reminders are where, and those of which nobody knows whether they went out."""

from dataclasses import dataclass, fields

from sqlalchemy import Connection, func, select

from consumer.clock import Millis
from consumer.ledger.schema.channel_tables import channels
from consumer.ledger.schema.rows import CHANNEL, ChannelRow
from consumer.ledger.schema.tables import UNRESOLVED, reminders


@dataclass(frozen=True, slots=True)
class StatusCount:
    """The number of reminders of a medium that have this status for this reason."""

    medium: str
    status: str
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A reminder that may have gone out, or not. No name and no phone."""

    reminder_id: str
    medium: str
    user_id: str
    process: str
    step: int
    status: str
    attempts: int
    attempted_at: Millis | None
    template: str | None
    language: str | None


_IN_DOUBT = [reminders.c[field.name] for field in fields(InDoubt)]


def status_counts(connection: Connection) -> list[StatusCount]:
    """Count every reminder that is still kept, by status; the most frequent first."""
    r, count = reminders.c, func.count()
    query = select(r.medium, r.status, r.reason, count).group_by(r.medium, r.status, r.reason)
    return [StatusCount(*row) for row in connection.execute(query.order_by(count.desc(), r.medium, r.status, r.reason))]


def latest_in_doubt(connection: Connection, limit: int) -> list[InDoubt]:
    """Return reminders that are unknown or unresolved, the latest attempts first."""
    found: list[InDoubt] = []
    for condition in (reminders.c.unknown_since.is_not(None), UNRESOLVED):  # one after the other: each has an index
        query = select(*_IN_DOUBT).where(condition).order_by(reminders.c.attempted_at.desc()).limit(limit)
        found += [InDoubt(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda row: row.attempted_at or 0, reverse=True)[:limit]


def stopped_channels(connection: Connection) -> list[ChannelRow]:
    """Return channels and templates that 1MSG has refused and that are not open again."""
    query = select(*CHANNEL).where(channels.c.stopped_because.is_not(None)).order_by(channels.c.name)
    return [ChannelRow(*row) for row in connection.execute(query)]
