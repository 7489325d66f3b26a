"""What is in doubt after a backup was restored."""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from consumer.ledger.queries.reminders import upsert
from consumer.ledger.schema.replica_tables import intake_offsets
from consumer.ledger.schema.rows import REMINDER, ReminderRow
from consumer.ledger.schema.tables import reminders

_UNSENT = ("planned", "deferred", "sending")


def take_unsent(connection: Connection, limit: int) -> list[ReminderRow]:
    """Reminders that had not gone out when the backup was made, or were just about to; locked."""
    query = select(*REMINDER).where(reminders.c.status.in_(_UNSENT)).limit(limit)
    return [ReminderRow(*row) for row in connection.execute(query.with_for_update())]


def doubtful(connection: Connection, topic: str) -> dict[int, int]:
    """By partition, the offset before which what was asked for may have gone out, whatever the ledger says."""
    o = intake_offsets.c
    rows = connection.execute(select(o.partition, o.doubtful_until).where(o.topic == topic, o.doubtful_until > 0))
    return {row.partition: row.doubtful_until for row in rows}


def put_doubtful(connection: Connection, topic: str, until: Mapping[int, int]) -> None:
    statement = upsert(connection, intake_offsets)
    later = {"doubtful_until": statement.excluded.doubtful_until}
    statement = statement.on_conflict_do_update(index_elements=["topic", "partition"], set_=later)
    if until:
        rows = [{"topic": topic, "partition": n, "next_offset": 0, "doubtful_until": end} for n, end in until.items()]
        connection.execute(statement, rows)
