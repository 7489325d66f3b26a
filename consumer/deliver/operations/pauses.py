"""Pauses: an operator's word that nothing of a process, or of anything, goes out for now.

They are kept in the ledger, so that every replica obeys and a restart forgets nothing. Rows that would be sent wait
with the reason `paused`, expire when their time comes, and are looked at again as soon as the pause is over. A
request that was on its way when the pause began is not taken back.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from consumer.ledger import queries
from consumer.ledger.queries.pauses import EVERYTHING
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics


def covers(paused: Collection[str], process: str) -> bool:
    """Whether one of these pauses concerns the process."""
    return EVERYTHING in paused or process in paused


def resume(connection: Connection, process: str) -> int:
    """End the pause of a process, or of EVERYTHING. Returns how many reminders had waited for that."""
    queries.replicas.lock_facts_exclusive(connection)
    queries.pauses.resume(connection, process)
    return queries.reminders.wake_deferred(connection, "paused", process=process if process != EVERYTHING else None)


class PauseWatcher:
    """Shows what is paused: as a gauge, and in words. Blocks its thread."""

    def __init__(self, ledger: Ledger, metrics: DeliverMetrics) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._shown: set[str] = set()
        self.detail: str | None = None
        """Such as `paused: checkout`; None while nothing is."""

    def refresh(self) -> None:
        with self._ledger.reading() as connection:
            now = set(queries.pauses.paused_since(connection))
        for name in self._shown | now:
            self._metrics.paused.labels(name or "*").set(name in now)
        self._shown |= now
        self.detail = "paused: " + ", ".join(name or "everything" for name in sorted(now)) if now else None
