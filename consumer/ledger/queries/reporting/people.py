"""Which people are behind a count."""

from dataclasses import dataclass, fields

from sqlalchemy import Connection, func, select

from consumer.clock import Millis
from consumer.ledger.schema.episode_tables import HOLDOUT, NOT_SENT, episodes
from consumer.ledger.schema.tables import contacts, reminders

UNDECIDED = "not decided yet"
"""In place of the reason, before the first checks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSelection:
    """Episodes noticed from `since` until before `until`, of one process, that were not written to for this reason;
    `reason` may also be `holdout` or UNDECIDED."""

    since: Millis
    until: Millis
    process: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EpisodePerson:
    """A silence of somebody. Times are milliseconds."""

    user_id: str
    process: str
    step: int
    noticed_at: Millis
    returned_at: Millis | None
    completed_at: Millis | None


_PERSON = [episodes.c[field.name] for field in fields(EpisodePerson)]


def with_decision(connection: Connection, which: EpisodeSelection, limit: int) -> list[EpisodePerson]:
    """Return the people of the selected episodes, the latest first."""
    e = episodes.c
    query = select(*_PERSON).where(e.noticed_at >= which.since, e.noticed_at < which.until)
    if which.process is not None:
        query = query.where(e.process == which.process)
    if which.reason == HOLDOUT:
        query = query.where(e.decision == HOLDOUT)
    elif which.reason is not None:
        reason = "" if which.reason == UNDECIDED else which.reason
        query = query.where(func.coalesce(e.decision, NOT_SENT) == NOT_SENT, func.coalesce(e.reason, "") == reason)
    return [EpisodePerson(*row) for row in connection.execute(query.order_by(e.noticed_at.desc()).limit(limit))]


def anything_of(connection: Connection, user_id: str) -> bool:
    """Tell whether the ledger has anything of this user: a contact, or a reminder."""
    return any(
        connection.scalar(select(table.c.user_id).where(table.c.user_id == user_id).limit(1)) is not None
        for table in (contacts, reminders)
    )
