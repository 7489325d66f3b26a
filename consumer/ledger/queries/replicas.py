"""How far everything has been read, and how replicas keep out of each other's way."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache

from sqlalchemy import Connection, Insert, bindparam, case, delete, select, text, update

from consumer.clock import Millis
from consumer.ledger.queries.statements import upsert, upsert_of
from consumer.ledger.schema.replica_tables import intake_offsets, leases
from consumer.ledger.schema.replica_tables import watermarks as watermark_table
from consumer.ledger.schema.tables import meta

_LOCK_FACTS_SHARED = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('facts', 0))")
_LOCK_FACTS_EXCLUSIVE = text("SELECT pg_advisory_xact_lock(hashtextextended('facts', 0))")
_TOLD = ("watched", "held", "brake", "distrusted")
_WATERMARKS = select(watermark_table.c.partition, watermark_table.c.watermark)
_o = intake_offsets.c
_DOUBTFUL = select(_o.partition, _o.doubtful_until).where(_o.topic == bindparam("topic"), _o.doubtful_until > 0)
_HOLDER = select(leases.c.holder).where(leases.c.name == bindparam("lease"))
_LEASE_UNTIL = select(leases.c.until).where(leases.c.name == bindparam("lease"))
_RELEASE = delete(leases).where(leases.c.name == bindparam("lease"), leases.c.holder == bindparam("by"))
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")


@dataclass(frozen=True, slots=True)
class DetectStanding:
    """How far detect is in a partition, and what it does there, as its record WATERMARK says.

    Where `watched` is None the last four were not told.
    """

    watermark: Millis
    watched: int | None = None
    held: int | None = None
    brake: str | None = None
    distrusted: bool | None = None


def lock_facts_shared(connection: Connection) -> None:
    """Block `lock_facts_exclusive` in other replicas until this transaction ends. Call it before other locks.

    A row that is put off because its contact is missing, while another replica writes that contact, would not be
    there yet when those who wait for it are woken. In SQLite a transaction that writes is alone anyway.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK_FACTS_SHARED)


def lock_facts_exclusive(connection: Connection) -> None:
    """Wait until no decision is under way, to change what wakes rows that wait without a date. Call it before other
    locks.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK_FACTS_EXCLUSIVE)


def try_advisory_lock(connection: Connection, name: str) -> bool:
    """Tell whether nobody else is at this; nobody else will be until the transaction ends. Waits for nobody.

    In SQLite a transaction that writes is alone anyway.
    """
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.scalar(_TRY_LOCK, {"name": f"alone: {name}"}))


def watermarks(connection: Connection) -> dict[int, Millis]:
    """Return every partition's watermark."""
    return {row.partition: row.watermark for row in connection.execute(_WATERMARKS)}


def detect_standings(connection: Connection) -> dict[int, DetectStanding]:
    """Return what detect has told of every partition."""
    query = select(watermark_table).order_by(watermark_table.c.partition)
    return {row.partition: DetectStanding(*row[1:]) for row in connection.execute(query)}


def advance_watermarks(connection: Connection, values: Mapping[int, DetectStanding], now: Millis) -> None:
    """Move watermarks forward, and note what was told with them; where nothing was, what was told before stays.

    None goes back, unless it is later than `now`, which no watermark can be.
    """
    if values:
        rows = [{"partition": n, **asdict(each), "now": now} for n, each in sorted(values.items())]
        connection.execute(_advance_watermark(connection.dialect.name), rows)


@cache
def _advance_watermark(dialect: str) -> Insert:
    statement = upsert_of(dialect, watermark_table)
    new, old = statement.excluded, watermark_table.c
    told = {name: case((new.watched.is_(None), old[name]), else_=new[name]) for name in _TOLD}
    return statement.on_conflict_do_update(
        index_elements=["partition"],
        set_={"watermark": new.watermark, **told},
        where=(new.watermark >= old.watermark) | (old.watermark > bindparam("now")),
    )


def delete_watermark(connection: Connection, partition: int) -> None:
    """Forget how far detect is in a partition, until it says so again."""
    connection.execute(delete(watermark_table).where(watermark_table.c.partition == partition))


def next_offsets(connection: Connection, topic: str) -> dict[int, int]:
    """Return partition → the offset up to which this topic is in the ledger."""
    query = select(intake_offsets.c.partition, intake_offsets.c.next_offset)
    rows = connection.execute(query.where(intake_offsets.c.topic == topic))
    return {row.partition: row.next_offset for row in rows}


def advance_offsets(connection: Connection, topic: str, offsets: dict[int, int]) -> None:
    """Note how far this topic has been read; never back."""
    rows = [{"topic": topic, "partition": n, "next_offset": offset} for n, offset in sorted(offsets.items())]
    if rows:
        connection.execute(_advance_offset(connection.dialect.name), rows)


@cache
def _advance_offset(dialect: str) -> Insert:
    statement = upsert_of(dialect, intake_offsets)
    return statement.on_conflict_do_update(
        index_elements=["topic", "partition"],
        set_={"next_offset": statement.excluded.next_offset},
        where=statement.excluded.next_offset > intake_offsets.c.next_offset,
    )


def doubtful_offsets(connection: Connection, topic: str) -> dict[int, int]:
    """Return partition → the offset before which a reminder may have been sent without a row in this ledger."""
    rows = connection.execute(_DOUBTFUL, {"topic": topic})
    return {row.partition: row.doubtful_until for row in rows}


def put_doubtful_offsets(connection: Connection, topic: str, until: Mapping[int, int]) -> None:
    """Write by partition the offset before which what was asked for may have gone out."""
    statement = upsert(connection, intake_offsets)
    later = {"doubtful_until": statement.excluded.doubtful_until}
    statement = statement.on_conflict_do_update(index_elements=["topic", "partition"], set_=later)
    if until:
        rows = [{"topic": topic, "partition": n, "next_offset": 0, "doubtful_until": end} for n, end in until.items()]
        connection.execute(statement, rows)


def acquire_lease(connection: Connection, name: str, holder: str, now: Millis, until: Millis) -> bool:
    """Tell whether the lease is this holder's until then: it was already, or nobody's, or the last one has run out."""
    values = {"name": name, "holder": holder, "until": until, "now": now}
    connection.execute(_acquire_lease(connection.dialect.name), values)
    return connection.scalar(_HOLDER, {"lease": name}) == holder


@cache
def _acquire_lease(dialect: str) -> Insert:
    statement = upsert_of(dialect, leases)
    new = statement.excluded
    free = (leases.c.holder == new.holder) | (leases.c.until <= bindparam("now"))
    values = {"holder": new.holder, "until": new.until}
    return statement.on_conflict_do_update(index_elements=["name"], set_=values, where=free)


def lease_until(connection: Connection, name: str) -> Millis | None:
    """Return until when somebody holds the lease."""
    return connection.scalar(_LEASE_UNTIL, {"lease": name})


def release_lease(connection: Connection, name: str, holder: str) -> None:
    """Give up the lease, if it is this holder's."""
    connection.execute(_RELEASE, {"lease": name, "by": holder})


def topic_id(connection: Connection, topic: str) -> str | None:
    """Return the id of the topic of this name that the ledger was fed from, as far as it is known."""
    return connection.scalar(select(meta.c.value).where(meta.c.name == f"topic_id:{topic}"))


def put_topic_id(connection: Connection, topic: str, id_: str) -> None:
    """Note which topic of this name the ledger is fed from."""
    statement = upsert(connection, meta).values(name=f"topic_id:{topic}", value=id_)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": id_}))


def read_again(connection: Connection, topic: str, committed: Mapping[int, int]) -> None:
    """Have a topic read from its beginning. `committed` by its group is ahead then, and says nothing about a backup."""
    connection.execute(update(intake_offsets).where(intake_offsets.c.topic == topic).values(next_offset=0))
    put_doubtful_offsets(connection, topic, committed)
