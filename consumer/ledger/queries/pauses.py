"""What an operator has paused."""

from sqlalchemy import Connection, delete, select

from consumer.clock import Millis
from consumer.ledger.queries.statements import upsert
from consumer.ledger.schema.channel_tables import pauses

_PAUSED = select(pauses.c.process, pauses.c.since)
EVERYTHING = ""
"""In place of a process's name, which is never empty."""


def paused_since(connection: Connection) -> dict[str, Millis]:
    """Return name of a process, or EVERYTHING → since when it is paused."""
    return {row[0]: row[1] for row in connection.execute(_PAUSED)}


def pause(connection: Connection, process: str, now: Millis) -> None:
    """Let nothing of this go out from now on; what is paused already has been since before."""
    row = {"process": process, "since": now}
    connection.execute(upsert(connection, pauses).on_conflict_do_nothing(), row)


def resume(connection: Connection, process: str) -> None:
    """End a pause."""
    connection.execute(delete(pauses).where(pauses.c.process == process))
