"""Ids of WhatsApp: the phones that they were seen with, and what was asked under them before a phone was known."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, select

from consumer.clock import Millis
from consumer.ledger.queries.statements import chunks, upsert
from consumer.ledger.schema.identity_tables import unattributed_requests, whatsapp_ids


@dataclass(frozen=True, slots=True)
class UnattributedRequest:
    """What somebody asked for whose phone is not known; see `identity_tables.unattributed_requests`."""

    id_hash: str
    request: str
    reason: str
    at: Millis


def phone_hashes(connection: Connection, id_hashes: Collection[str]) -> dict[str, set[str]]:
    """Return the phones of each of these ids, by id; an id without a known phone is left out."""
    found: dict[str, set[str]] = {}
    for some in chunks(id_hashes):
        query = select(whatsapp_ids.c.id_hash, whatsapp_ids.c.phone_hash).where(whatsapp_ids.c.id_hash.in_(some))
        for row in connection.execute(query):
            found.setdefault(row[0], set()).add(row[1])
    return found


def insert_pairs(connection: Connection, pairs: Iterable[tuple[str, str]]) -> None:
    """Note these pairs of id and phone; one that is there already is not noted twice."""
    rows = [{"id_hash": id_hash, "phone_hash": phone_hash} for id_hash, phone_hash in sorted(set(pairs))]
    if rows:
        connection.execute(upsert(connection, whatsapp_ids).on_conflict_do_nothing(), rows)


def keep_request(connection: Connection, request: UnattributedRequest) -> None:
    """Keep a request until its phone is known; of equal ones the latest counts."""
    statement = upsert(connection, unattributed_requests).values(**asdict(request))
    new = {"reason": statement.excluded.reason, "at": statement.excluded.at}
    later = statement.excluded.at > unattributed_requests.c.at
    connection.execute(statement.on_conflict_do_update(index_elements=["id_hash", "request"], set_=new, where=later))


def any_request(connection: Connection, id_hashes: Collection[str], request: str) -> bool:
    """Tell whether this was asked under one of these ids, and is kept."""
    u = unattributed_requests.c
    queries = (select(u.id_hash).where(u.id_hash.in_(some), u.request == request) for some in chunks(id_hashes))
    return any(connection.scalar(query.limit(1)) is not None for query in queries)


def pop_requests(connection: Connection, id_hashes: Collection[str]) -> list[UnattributedRequest]:
    """Delete what was asked under these ids and return it, the earliest first."""
    u, found = unattributed_requests, list[UnattributedRequest]()
    for some in chunks(id_hashes):
        theirs = u.c.id_hash.in_(some)
        rows = connection.execute(select(u.c.id_hash, u.c.request, u.c.reason, u.c.at).where(theirs)).all()
        if rows:
            connection.execute(delete(u).where(theirs))
        found += [UnattributedRequest(*row) for row in rows]
    return sorted(found, key=lambda each: each.at)
