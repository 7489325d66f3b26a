"""Large tables, filled by the database itself."""

from collections.abc import Mapping

from sqlalchemy import Connection, Table, text

from consumer.clock import Millis
from consumer.ledger.schema.tables import attempts, outbox, reminders

_NUMBERS = (
    "WITH RECURSIVE numbers(n) AS (SELECT CAST(:first AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)"
)
_PAGE = 100_000


def fill(connection: Connection, table: Table, count: int, columns: Mapping[str, str]) -> None:
    """Insert `count` rows; each column is an SQL expression in which `n` counts from 0."""
    names, values = ", ".join(columns), ", ".join(columns.values())
    statement = f"INSERT INTO {table.name} ({names}) {_NUMBERS} SELECT {values} FROM numbers"
    pages = [{"first": first, "last": min(first + _PAGE, count) - 1} for first in range(0, count, _PAGE)]
    connection.execute(text(statement), pages)


def add_delivered(connection: Connection, count: int, *, first: Millis, apart: Millis) -> None:
    """Add delivered reminders of different people, each with an attempt and two published transitions.

    The first is from `first`, each of the others `apart` milliseconds later than the one before.
    """
    key = {"reminder_id": "'old-' || n", "medium": "'whatsapp'"}
    person = {"user_id": "'user-' || n", "process": "'account-setup'", "step": "0"}
    sent = {"phone": "'346' || n", "message_id": "'wamid.old.' || n"}
    at = f"({first} + n * {apart})"
    moments = dict.fromkeys(("last_seen", "lapsed_at", "occurred_at", "attempted_at", "created_at", "updated_at"), at)
    counts = {"partition": "0", "polls": "0", "sequence": "2", "attempts": "1", "counted_attempts": "0"}
    fill(connection, reminders, count, key | person | sent | moments | counts | {"status": "'delivered'"})
    outcome = {"number": "1", "outcome": "'accepted'", "may_have_been_sent": "true"}
    sent |= {"phone_hash": "'hash-' || n"}
    fill(connection, attempts, count, key | person | sent | outcome | {"started_at": at, "finished_at": at})
    for sequence, status, final in (("1", "'accepted'", "false"), ("2", "'delivered'", "true")):
        told = {"sequence": sequence, "status": status, "final": final, "source": "'webhook'", "published": "true"}
        fill(connection, outbox, count, key | person | told | {"occurred_at": at, "recorded_at": at})
