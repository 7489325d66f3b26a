"""The inbox: webhook bodies, reports that wait for their message, likely opt-outs, and echoes of our messages."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, delete, func, insert, select, update

from consumer.clock import Millis
from consumer.ledger.queries.statements import LIMIT, SOME, chunks, upsert
from consumer.ledger.schema.tables import attempts, echoes, inbound_messages, parked_reports, webhook_bodies


@dataclass(frozen=True, slots=True)
class Body:
    """A stored webhook body."""

    id: int
    body: bytes
    received_at: Millis


@dataclass(frozen=True, slots=True)
class ParkedReport:
    """A report whose message is not known, or not yet."""

    message_id: str
    progress: str
    at: Millis | None
    error_code: int | None
    error: str | None
    source: str
    received_at: Millis


_PARKED = [parked_reports.c[name] for name in ParkedReport.__dataclass_fields__]
_b, _p = webhook_bodies.c, parked_reports.c
_before: BindParameter[Any] = bindparam("moment")
_UNAPPLIED = select(_b.id, _b.body, _b.received_at).where(_b.kept_because.is_(None)).order_by(_b.id).limit(LIMIT)
_still_unapplied = select(_b.id, _b.body, _b.received_at).where(_b.id.in_(SOME), _b.kept_because.is_(None))
_LOCK_UNAPPLIED = _still_unapplied.order_by(_b.id).with_for_update(skip_locked=True)
_DELETE_BODIES = delete(webhook_bodies).where(_b.id.in_(SOME))
_DELETE_OLD_KEPT = delete(webhook_bodies).where(_b.kept_because.is_not(None), _b.received_at < _before)
_DELETE_OLD_PARKED = delete(parked_reports).where(_p.received_at < _before)
_DELETE_OLD_ECHOES = delete(echoes).where(echoes.c.received_at < _before)
_COUNT_PARKED = select(func.count()).select_from(parked_reports)
_is_ours = select(attempts.c.message_id).where(attempts.c.message_id == _p.message_id).exists()
_parked_of_ours = select(_p.message_id).where(_p.received_at >= bindparam("since"), _is_ours)
_PARKED_OF_OURS = _parked_of_ours.order_by(_p.received_at).limit(LIMIT)


def store_bodies(connection: Connection, bodies: Sequence[bytes], now: Millis) -> None:
    """Store webhook bodies that are still to be applied."""
    connection.execute(insert(webhook_bodies), [{"body": body, "received_at": now} for body in bodies])


def unapplied_bodies(connection: Connection, limit: int) -> list[Body]:
    """Return stored bodies that have not been applied, in the order they came."""
    return [Body(*row) for row in connection.execute(_UNAPPLIED, {"limit": limit})]


def lock_unapplied_bodies(connection: Connection, bodies: Sequence[Body]) -> list[int]:
    """Lock those of these bodies that have still not been applied, and return their ids in the order they came.

    SQLite gives the id of the last body again once that is deleted, so the id alone does not say that it is the same.
    """
    read, found = set(bodies), list[int]()
    for some in chunks(sorted(body.id for body in bodies)):
        there = [Body(*row) for row in connection.execute(_LOCK_UNAPPLIED, {"some": some})]
        found += [body.id for body in there if body in read]
    return found


def delete_bodies(connection: Connection, ids: Collection[int]) -> None:
    """Delete webhook bodies by their ids."""
    for some in chunks(ids):
        connection.execute(_DELETE_BODIES, {"some": some})


def delete_bodies_containing(connection: Connection, phones: Collection[str]) -> None:
    """Delete the bodies kept for people to look at that contain one of these numbers (digits)."""
    kept = select(webhook_bodies.c.id, webhook_bodies.c.body).where(webhook_bodies.c.kept_because.is_not(None))
    named = [row.id for row in connection.execute(kept) if any(phone.encode() in row.body for phone in phones)]
    delete_bodies(connection, named)


def mark_body_kept(connection: Connection, body_id: int, because: str) -> None:
    """Keep a body after its application, for people to look at."""
    connection.execute(update(webhook_bodies).where(webhook_bodies.c.id == body_id).values(kept_because=because))


def park_reports(connection: Connection, reports: Sequence[ParkedReport]) -> None:
    """Store reports until their message is known; one that is there already is not stored twice."""
    if reports:
        connection.execute(upsert(connection, parked_reports).on_conflict_do_nothing(), [asdict(r) for r in reports])


def pop_parked_reports(connection: Connection, message_ids: Collection[str]) -> list[ParkedReport]:
    """Delete the parked reports of these messages and return them in the order they came."""
    found: list[ParkedReport] = []
    for some in chunks(message_ids):
        ours = parked_reports.c.message_id.in_(some)
        rows = connection.execute(select(*_PARKED).where(ours).order_by(parked_reports.c.id)).all()
        if rows:
            connection.execute(delete(parked_reports).where(ours))
        found += [ParkedReport(*row) for row in rows]
    return found


def known_messages_with_parked_reports(connection: Connection, since: Millis, limit: int) -> list[str]:
    """Return the ids of messages that are ours although reports of them are parked, received from `since` on."""
    return list(dict.fromkeys(connection.scalars(_PARKED_OF_OURS, {"since": since, "limit": limit})))


def count_parked_reports(connection: Connection) -> int:
    """Count the parked reports."""
    return connection.scalar(_COUNT_PARKED) or 0


def delete_parked_and_kept_before(connection: Connection, moment: Millis) -> int:
    """Delete parked reports and kept bodies received before that moment. Return how many reports."""
    old = connection.execute(_DELETE_OLD_PARKED, {"moment": moment})
    connection.execute(_DELETE_OLD_KEPT, {"moment": moment})
    return old.rowcount


def store_inbound(connection: Connection, messages: Sequence[Mapping[str, object]]) -> None:
    """Insert rows of `tables.inbound_messages`; one that came before is not stored twice."""
    if messages:
        connection.execute(upsert(connection, inbound_messages).on_conflict_do_nothing(), messages)


def delete_inbound_but_latest(connection: Connection, phone_hashes: Collection[str], most: int) -> None:
    """Delete the likely opt-outs of each of these numbers but the `most` that came last."""
    m = inbound_messages.c
    place = func.row_number().over(partition_by=m.phone_hash, order_by=(m.received_at.desc(), m.message_id.desc()))
    for some in chunks(phone_hashes):
        placed = select(m.message_id, place.label("place")).where(m.phone_hash.in_(some)).subquery()
        earlier = select(placed.c.message_id).where(placed.c.place > most)
        connection.execute(delete(inbound_messages).where(m.message_id.in_(earlier)))


def delete_inbound_before(connection: Connection, before: Millis, limit: int) -> int:
    """Delete likely opt-outs received before that moment, at most `limit` messages. Return how many."""
    old = select(inbound_messages.c.message_id).where(inbound_messages.c.received_at < before).limit(limit)
    return connection.execute(delete(inbound_messages).where(inbound_messages.c.message_id.in_(old))).rowcount


def delete_inbound_from_phones(connection: Connection, phone_hashes: Collection[str]) -> None:
    """Delete the likely opt-outs that came from these numbers."""
    for some in chunks(phone_hashes):
        connection.execute(delete(inbound_messages).where(inbound_messages.c.phone_hash.in_(some)))


def store_echoes(connection: Connection, seen: Sequence[Mapping[str, object]]) -> None:
    """Insert rows of `tables.echoes`; one that was seen before is not stored twice."""
    if seen:
        connection.execute(upsert(connection, echoes).on_conflict_do_nothing(), seen)


def unclaimed_echoes(connection: Connection, phone_hashes: Collection[str]) -> list[RowMapping]:
    """Return the echoes of messages to these numbers that no attempt has claimed."""
    claimed = select(attempts.c.message_id).where(attempts.c.message_id == echoes.c.message_id).exists()
    found: list[RowMapping] = []
    for some in chunks(phone_hashes):
        query = select(echoes).where(echoes.c.phone_hash.in_(some), ~claimed)
        found += connection.execute(query).mappings().all()
    return found


def delete_echoes_to(connection: Connection, phone_hashes: Collection[str]) -> None:
    """Delete the echoes of messages to these numbers."""
    for some in chunks(phone_hashes):
        connection.execute(delete(echoes).where(echoes.c.phone_hash.in_(some)))


def delete_echoes_before(connection: Connection, moment: Millis) -> None:
    """Delete echoes received before that moment."""
    connection.execute(_DELETE_OLD_ECHOES, {"moment": moment})
