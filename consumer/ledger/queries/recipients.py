"""Recipients are users and phones: one replica at a time decides about each, knowing all that was written to them."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from consumer.clock import Millis
from consumer.ledger.queries.reminders import chunks
from consumer.ledger.schema.tables import attempts

_TRY = text(
    "SELECT name, pg_try_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS text[])) AS name"
)


@dataclass(frozen=True, slots=True)
class Written:
    """One attempt that may have gone out."""

    reminder_id: str
    medium: str
    number: int
    user_id: str
    phone: str | None
    at: Millis


def take_recipients(connection: Connection, names: Collection[str]) -> set[str]:
    """Those of these recipients about whom nobody else is deciding; nobody else will until the transaction ends.

    In SQLite a transaction that writes is alone anyway.
    """
    if connection.dialect.name == "sqlite":
        return set(names)
    found: set[str] = set()
    for some in chunks(sorted(names)):
        found.update(name for name, taken in connection.execute(_TRY, {"names": list(some)}) if taken)
    return found


def written_since(
    connection: Connection, users: Collection[str], phones: Collection[str], since: Millis
) -> list[Written]:
    """Attempts to these users or to these phones (digits) that may have gone out, each once, later than `since`."""
    a, found = attempts.c, set[Written]()
    gone = select(a.reminder_id, a.medium, a.number, a.user_id, a.phone, a.started_at).where(
        a.started_at > since, a.may_have_gone.is_(True)
    )
    for column, values in ((a.user_id, users), (a.phone, phones)):
        for some in chunks(values):
            found.update(Written(*row) for row in connection.execute(gone.where(column.in_(some))))
    return sorted(found, key=lambda each: each.at)
