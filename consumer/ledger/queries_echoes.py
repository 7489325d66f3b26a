"""Our messages as others saw them, kept until an attempt claims them; attempts that have no id yet."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, RowMapping, delete, func, select

from consumer.clock import Millis
from consumer.ledger.queries import upsert
from consumer.ledger.tables import attempts, echoes, reminders


def keep(connection: Connection, seen: Sequence[Mapping[str, object]]) -> None:
    """Rows of `tables.echoes`; one that was seen before is not kept twice."""
    if seen:
        connection.execute(upsert(connection, echoes).on_conflict_do_nothing(), seen)


def kept_since(connection: Connection, since: Millis) -> Sequence[RowMapping]:
    """Messages sent from that moment on that no attempt has claimed, oldest first."""
    claimed = select(attempts.c.message_id).where(attempts.c.message_id == echoes.c.message_id).exists()
    query = select(echoes).where(echoes.c.at >= since, ~claimed).order_by(echoes.c.at)
    return connection.execute(query).mappings().all()


def drop_claimed(connection: Connection) -> None:
    """Let go of messages that are somebody's by now."""
    claimed = select(attempts.c.message_id).where(attempts.c.message_id == echoes.c.message_id).exists()
    connection.execute(delete(echoes).where(claimed))


def drop_older(connection: Connection, moment: Millis) -> None:
    connection.execute(delete(echoes).where(echoes.c.received_at < moment))


def open_attempts(connection: Connection, medium: str, since: Millis, until: Millis) -> Sequence[RowMapping]:
    """Attempts of that span that may have gone out and have no id: under way, unknown, or settled without one."""
    a = attempts.c
    columns = a.reminder_id, a.medium, a.number, a.started_at, a.phone
    nameless = a.message_id.is_(None), a.may_have_gone.is_(True), a.phone.is_not(None), a.medium == medium
    query = select(*columns).where(*nameless, a.started_at >= since, a.started_at <= until)
    return connection.execute(query.order_by(a.started_at)).mappings().all()


def oldest_unknown(connection: Connection, medium: str) -> Millis | None:
    """When the oldest attempt that is still looked for was made."""
    r = reminders.c
    query = select(func.min(r.attempted_at)).where(r.unknown_since.is_not(None), r.medium == medium)
    oldest: Millis | None = connection.scalar(query)
    return oldest
