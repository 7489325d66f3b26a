"""What a decision about due reminders needs to know, asked for whole batches."""

from collections.abc import Collection
from dataclasses import astuple, dataclass, fields
from typing import Any

from sqlalchemy import Connection, func, select, text

from consumer.clock import Millis
from consumer.ledger.queries.reminders import chunks, upsert
from consumer.ledger.schema.replica_tables import clocks, intake_offsets
from consumer.ledger.schema.rows import CHANNEL, CONTACT, ChannelRow, ContactRow
from consumer.ledger.schema.tables import attempts, channels, contacts, opt_outs

_DECIDING = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('facts', 0))")
_CHANGING = text("SELECT pg_advisory_xact_lock(hashtextextended('facts', 0))")


def lock_shared(connection: Connection) -> None:
    """Nobody changes until this transaction ends what `lock_exclusive` announces. Before anything else is locked.

    A row that is put off because its contact is missing, while another replica writes that contact, would not be
    there yet when those who wait for it are woken. In SQLite a transaction that writes is alone anyway.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_DECIDING)


def lock_exclusive(connection: Connection) -> None:
    """Once no decision is under way: what wakes rows that wait without a date. Before anything else is locked."""
    if connection.dialect.name != "sqlite":
        connection.execute(_CHANGING)


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """The latest attempt of one reminder that may have gone out."""

    user_id: str
    process: str
    step: int
    reminder_id: str
    at: Millis


def contacts_of(connection: Connection, users: Collection[str]) -> dict[str, ContactRow]:
    """The contacts of these users; those erased are not among them."""
    found: dict[str, ContactRow] = {}
    for some in chunks(users):
        query = select(*CONTACT).where(contacts.c.user_id.in_(some), contacts.c.erased.is_(False))
        found.update((row[0], ContactRow(*row)) for row in connection.execute(query))
    return found


def opted_out(connection: Connection, subjects: Collection[str], medium: str) -> set[str]:
    """Which of these subjects (`user:…`, `phone:…`) do not want to be written to."""
    found: set[str] = set()
    for some in chunks(subjects):
        standing = opt_outs.c.medium == medium, opt_outs.c.lifted_at.is_(None)
        found.update(connection.scalars(select(opt_outs.c.subject).where(opt_outs.c.subject.in_(some), *standing)))
    return found


def writes_since(connection: Connection, users: Collection[str], since: Millis) -> list[PastAttempt]:
    """Attempts to these users that may have gone out, from `since` on."""
    found: list[PastAttempt] = []
    a = attempts.c
    for some in chunks(users):
        query = select(a.user_id, a.process, a.step, a.reminder_id, func.max(a.started_at))
        query = query.where(a.user_id.in_(some), a.started_at >= since, a.may_have_gone.is_(True))
        grouped = query.group_by(a.user_id, a.process, a.step, a.reminder_id)
        found += [PastAttempt(*row) for row in connection.execute(grouped)]
    return found


def clocks_of(connection: Connection) -> dict[int, Millis]:
    """Every partition's clock."""
    return {row.partition: row.clock for row in connection.execute(select(clocks.c.partition, clocks.c.clock))}


def put_clocks(connection: Connection, values: dict[int, Millis]) -> None:
    """Move clocks forward; none goes back."""
    statement = upsert(connection, clocks)
    later = statement.excluded.clock > clocks.c.clock
    statement = statement.on_conflict_do_update(
        index_elements=["partition"], set_={"clock": statement.excluded.clock}, where=later
    )
    if values:
        connection.execute(statement, [{"partition": n, "clock": clock} for n, clock in sorted(values.items())])


def next_offsets(connection: Connection, topic: str) -> dict[int, int]:
    """Partition → the offset up to which this topic is in the ledger."""
    query = select(intake_offsets.c.partition, intake_offsets.c.next_offset)
    rows = connection.execute(query.where(intake_offsets.c.topic == topic))
    return {row.partition: row.next_offset for row in rows}


def put_offsets(connection: Connection, topic: str, offsets: dict[int, int]) -> None:
    """Note how far this topic has been read; never back."""
    statement = upsert(connection, intake_offsets)
    statement = statement.on_conflict_do_update(
        index_elements=["topic", "partition"],
        set_={"next_offset": statement.excluded.next_offset},
        where=statement.excluded.next_offset > intake_offsets.c.next_offset,
    )
    rows = [{"topic": topic, "partition": n, "next_offset": offset} for n, offset in sorted(offsets.items())]
    if rows:
        connection.execute(statement, rows)


def channels_of(connection: Connection, medium: str, *, lock: bool = False) -> dict[str, ChannelRow]:
    """By name: what is known of a medium's channel (always there) and of the templates on it."""
    query = select(*CHANNEL).where((channels.c.name == medium) | channels.c.name.startswith(f"{medium}/"))
    rows = connection.execute(query.with_for_update() if lock else query)
    return {medium: ChannelRow(medium), **{row[0]: ChannelRow(*row) for row in rows}}


def put_channel(connection: Connection, row: ChannelRow) -> None:
    """Write a state."""
    values: dict[str, Any] = dict(zip((f.name for f in fields(row)), astuple(row), strict=True))
    statement = upsert(connection, channels).values(**values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
