"""Opt-outs: who does not want to be written to, who took it back, and what the opt-outs topic is about to hear."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from consumer.clock import Millis
from consumer.ledger.queries.reminders import chunks, upsert
from consumer.ledger.schema.tables import attempts, contacts, opt_out_outbox, opt_outs


@dataclass(frozen=True, slots=True)
class Told:
    """One opt-out for the topic; the fields are the columns of `tables.opt_out_outbox`."""

    id: int
    user_id: str
    medium: str
    reason: str
    occurred_at: Millis


@dataclass(frozen=True, slots=True)
class OptIn:
    """A contact that agrees after it had declined, and when it had."""

    user_id: str
    phone_hash: str | None
    declined_at: Millis


_COLUMNS = [opt_out_outbox.c[name] for name in Told.__dataclass_fields__]


def opt_out(connection: Connection, subjects: Collection[str], medium: str, reason: str, at: Millis) -> None:
    """Remember that these subjects want no more. Later ones count; one from before it was lifted does not."""
    statement = upsert(connection, opt_outs)
    new, old = statement.excluded, opt_outs.c
    later = (new.occurred_at > old.occurred_at) & (old.lifted_at.is_(None) | (new.occurred_at > old.lifted_at))
    again = {name: new[name] for name in ("reason", "occurred_at", "lifted_at")}
    statement = statement.on_conflict_do_update(index_elements=["subject", "medium"], set_=again, where=later)
    row = {"medium": medium, "reason": reason, "occurred_at": at, "lifted_at": None}
    if subjects:
        connection.execute(statement, [{"subject": subject, **row} for subject in sorted(subjects)])


def opt_ins(connection: Connection, users: Collection[str]) -> list[OptIn]:
    """Those of these users who agree, by a record later than one that said no."""
    found: list[OptIn] = []
    c = contacts.c
    for some in chunks(users):
        query = select(c.user_id, c.phone_hash, c.declined_at).where(
            c.user_id.in_(some), c.opt_in.is_(True), c.erased.is_(False), c.updated_at > c.declined_at
        )
        found += [OptIn(*row) for row in connection.execute(query)]
    return found


def lift(connection: Connection, subjects: Collection[str], at: Millis) -> None:
    """These subjects took back their no of that moment: whatever they said up to it stands no longer."""
    standing = opt_outs.c.lifted_at.is_(None), opt_outs.c.occurred_at <= at
    for some in chunks(subjects):
        connection.execute(update(opt_outs).where(opt_outs.c.subject.in_(some), *standing).values(lifted_at=at))


def users_with_phone(connection: Connection, phone_hash: str) -> list[str]:
    """The users whose contact has this number."""
    query = select(contacts.c.user_id).where(contacts.c.phone_hash == phone_hash)
    return list(connection.scalars(query.order_by(contacts.c.user_id)))


def users_written_to(connection: Connection, phones: Collection[str], since: Millis) -> list[str]:
    """The users who were written to at one of these numbers (digits) since then."""
    a = attempts.c
    query = select(a.user_id).where(a.phone.in_(phones), a.started_at >= since)
    return list(connection.scalars(query.distinct().order_by(a.user_id)))


def tell(connection: Connection, users: Collection[str], medium: str, reason: str, at: Millis) -> None:
    """The topic shall hear that these users opted out."""
    row = {"medium": medium, "reason": reason, "occurred_at": at, "published": False}
    if users:
        connection.execute(insert(opt_out_outbox), [{"user_id": user, **row} for user in sorted(users)])


def untold(connection: Connection, limit: int) -> list[Told]:
    """What the topic has not heard yet, oldest first."""
    query = select(*_COLUMNS).where(opt_out_outbox.c.published.is_(False)).order_by(opt_out_outbox.c.id)
    return [Told(*row) for row in connection.execute(query.limit(limit))]


def flag_told(connection: Connection, ids: Sequence[int]) -> None:
    """These have been published."""
    statement = update(opt_out_outbox).where(opt_out_outbox.c.id == bindparam("key")).values(published=True)
    if ids:
        connection.execute(statement, [{"key": key} for key in ids])
