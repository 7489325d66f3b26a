"""Webhook bodies, reports that wait for their message, and what clients wrote."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from consumer.clock import Millis
from consumer.ledger.queries.reminders import chunks, upsert
from consumer.ledger.schema.tables import attempts, inbound_messages, parked_reports, webhook_bodies


@dataclass(frozen=True, slots=True)
class Body:
    """A stored webhook body."""

    id: int
    body: bytes
    received_at: Millis


@dataclass(frozen=True, slots=True)
class Parked:
    """A report whose message is not known, or not yet."""

    message_id: str
    progress: str
    at: Millis | None
    error_code: int | None
    error: str | None
    source: str
    received_at: Millis


_PARKED = [parked_reports.c[name] for name in Parked.__dataclass_fields__]


def store_bodies(connection: Connection, bodies: Sequence[bytes], now: Millis) -> None:
    connection.execute(insert(webhook_bodies), [{"body": body, "received_at": now} for body in bodies])


def bodies_to_apply(connection: Connection, limit: int) -> list[Body]:
    """Stored bodies that were not applied yet, in the order they came."""
    b = webhook_bodies.c
    query = select(b.id, b.body, b.received_at).where(b.kept_because.is_(None)).order_by(b.id).limit(limit)
    return [Body(*row) for row in connection.execute(query.with_for_update(skip_locked=True))]


def drop_bodies(connection: Connection, ids: Collection[int]) -> None:
    for some in chunks(ids):
        connection.execute(delete(webhook_bodies).where(webhook_bodies.c.id.in_(some)))


def keep_body(connection: Connection, body_id: int, because: str) -> None:
    """Keep a body beyond its application, for people to look at."""
    connection.execute(update(webhook_bodies).where(webhook_bodies.c.id == body_id).values(kept_because=because))


def park(connection: Connection, reports: Sequence[Parked]) -> None:
    """Keep reports until their message is known; one that is there already is not kept twice."""
    if reports:
        rows = [{name: getattr(report, name) for name in Parked.__dataclass_fields__} for report in reports]
        connection.execute(upsert(connection, parked_reports).on_conflict_do_nothing(), rows)


def take_parked(connection: Connection, message_ids: Collection[str]) -> list[Parked]:
    """The parked reports of these messages, in the order they came; they are parked no longer."""
    found: list[Parked] = []
    for some in chunks(message_ids):
        ours = parked_reports.c.message_id.in_(some)
        rows = connection.execute(select(*_PARKED).where(ours).order_by(parked_reports.c.id)).all()
        if rows:
            connection.execute(delete(parked_reports).where(ours))
        found += [Parked(*row) for row in rows]
    return found


def parked_but_known(connection: Connection, since: Millis, limit: int) -> list[str]:
    """Ids of messages that are ours although reports of them are parked, received from `since` on."""
    join = parked_reports.join(attempts, attempts.c.message_id == parked_reports.c.message_id)
    query = select(parked_reports.c.message_id).select_from(join).distinct()
    return list(connection.scalars(query.where(parked_reports.c.received_at >= since).limit(limit)))


def drop_older(connection: Connection, moment: Millis) -> int:
    """Let go of parked reports and kept bodies received before that moment. Returns how many reports."""
    old = connection.execute(delete(parked_reports).where(parked_reports.c.received_at < moment))
    connection.execute(
        delete(webhook_bodies).where(webhook_bodies.c.kept_because.is_not(None), webhook_bodies.c.received_at < moment)
    )
    return old.rowcount


def parked_count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(parked_reports)) or 0


def keep_inbound(connection: Connection, messages: Sequence[Mapping[str, object]]) -> None:
    """Rows of `tables.inbound_messages`; one that came before is the same."""
    if messages:
        connection.execute(upsert(connection, inbound_messages).on_conflict_do_nothing(), messages)
