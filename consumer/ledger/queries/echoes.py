"""Our messages as others saw them, kept until an attempt claims them; attempts that have no id yet."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, RowMapping, delete, select

from consumer.clock import Millis
from consumer.ledger.queries.reminders import chunks, upsert
from consumer.ledger.schema.tables import attempts, echoes


def keep(connection: Connection, seen: Sequence[Mapping[str, object]]) -> None:
    """Rows of `tables.echoes`; one that was seen before is not kept twice."""
    if seen:
        connection.execute(upsert(connection, echoes).on_conflict_do_nothing(), seen)


def unclaimed(connection: Connection, tails: Collection[str]) -> list[RowMapping]:
    """Messages to numbers that end like this, and that no attempt has claimed."""
    claimed = select(attempts.c.message_id).where(attempts.c.message_id == echoes.c.message_id).exists()
    found: list[RowMapping] = []
    for some in chunks(tails):
        query = select(echoes).where(echoes.c.tail.in_(some), ~claimed)
        found += connection.execute(query).mappings().all()
    return found


def drop_older(connection: Connection, moment: Millis) -> None:
    connection.execute(delete(echoes).where(echoes.c.received_at < moment))


def open_attempts(connection: Connection, medium: str, since: Millis, until: Millis) -> Sequence[RowMapping]:
    """Attempts of that span that may have gone out and have no id: under way, unknown, or settled without one."""
    a = attempts.c
    columns = a.reminder_id, a.medium, a.number, a.started_at, a.phone
    nameless = a.message_id.is_(None), a.may_have_gone.is_(True), a.phone.is_not(None), a.medium == medium
    query = select(*columns).where(*nameless, a.started_at >= since, a.started_at <= until)
    return connection.execute(query.order_by(a.started_at)).mappings().all()
