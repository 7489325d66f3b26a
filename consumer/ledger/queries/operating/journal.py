"""The journal: who did what. Written with the action itself, read by the console."""

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from sqlalchemy import Connection, insert, select

from consumer.clock import Millis
from consumer.ledger.schema.journal_table import journal

Action: TypeAlias = Literal[
    "resolve", "cancel", "pause", "resume", "release", "lift", "opt_out", "reveal", "test_send", "publish"
]
Via: TypeAlias = Literal["console", "api", "command"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and through which door."""

    name: str
    via: Via


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One thing that somebody did; the fields are columns of `journal_table.journal`."""

    id: int
    at: Millis
    actor: str
    via: Via
    action: Action
    subject: str | None
    detail: str | None
    count: int | None


_ENTRY = [journal.c[field.name] for field in fields(JournalEntry)]


def add(
    connection: Connection,
    at: Millis,
    by: Actor,
    action: Action,
    *,
    subject: str | None = None,
    detail: str | None = None,
    count: int | None = None,
) -> None:
    """Note what somebody does in this transaction. Neither `subject` nor `detail` may hold a name or a number."""
    row = {"at": at, "actor": by.name, "via": by.via, "action": action}
    connection.execute(insert(journal), {**row, "subject": subject, "detail": detail, "count": count})


def latest(
    connection: Connection, limit: int, *, before: int | None = None, action: Action | None = None
) -> list[JournalEntry]:
    """Return the latest entries, the newest first; with `before` those older than the entry of that id."""
    query = select(*_ENTRY).order_by(journal.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(journal.c.id < before)
    if action is not None:
        query = query.where(journal.c.action == action)
    names = [field.name for field in fields(JournalEntry)]
    return [JournalEntry(**dict(zip(names, row, strict=True))) for row in connection.execute(query)]
