"""Opt-outs: who does not want to be written to, and who took that back. Their outbox is in `outbox`."""

from collections.abc import Collection

from sqlalchemy import Connection, select, update

from consumer.clock import Millis
from consumer.ledger.queries.statements import chunks, upsert
from consumer.ledger.schema.tables import opt_outs


def opted_out_subjects(connection: Connection, subjects: Collection[str], medium: str) -> set[str]:
    """Return which of these subjects (`user:…`, `phone:…`) do not want to be written to."""
    found: set[str] = set()
    for some in chunks(subjects):
        in_force = opt_outs.c.medium == medium, opt_outs.c.lifted_at.is_(None)
        found.update(connection.scalars(select(opt_outs.c.subject).where(opt_outs.c.subject.in_(some), *in_force)))
    return found


def record(connection: Connection, subjects: Collection[str], medium: str, reason: str, at: Millis) -> None:
    """Record that these subjects opted out. Later ones count; one from before it was lifted does not."""
    statement = upsert(connection, opt_outs)
    new, old = statement.excluded, opt_outs.c
    later = (new.occurred_at > old.occurred_at) & (old.lifted_at.is_(None) | (new.occurred_at > old.lifted_at))
    again = {name: new[name] for name in ("reason", "occurred_at", "lifted_at")}
    statement = statement.on_conflict_do_update(index_elements=["subject", "medium"], set_=again, where=later)
    row = {"medium": medium, "reason": reason, "occurred_at": at, "lifted_at": None}
    if subjects:
        connection.execute(statement, [{"subject": subject, **row} for subject in sorted(subjects)])


def lift(connection: Connection, subjects: Collection[str], at: Millis) -> None:
    """Lift the opt-outs of these subjects that were said at that moment or before."""
    in_force = opt_outs.c.lifted_at.is_(None), opt_outs.c.occurred_at <= at
    for some in chunks(subjects):
        connection.execute(update(opt_outs).where(opt_outs.c.subject.in_(some), *in_force).values(lifted_at=at))
