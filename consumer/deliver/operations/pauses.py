"""Pauses: an operator stops one process, or everything, from being sent for now.

They are kept in the ledger, so that they apply to every replica and survive a restart. Rows that would be sent are
deferred with the reason `paused`, expire in their time, and are due again when the pause ends. A request that was under
way when the pause began is not undone.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from consumer.ledger import queries
from consumer.ledger.queries.pauses import EVERYTHING
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics


def covers(paused: Collection[str], process: str) -> bool:
    """Return whether one of these pauses concerns the process."""
    return EVERYTHING in paused or process in paused


def resume(connection: Connection, process: str) -> int:
    """End the pause of a process, or of EVERYTHING. Returns how many reminders had waited for it."""
    queries.replicas.lock_facts_exclusive(connection)
    queries.pauses.resume(connection, process)
    return queries.reminders.wake_deferred(connection, "paused", process=process if process != EVERYTHING else None)


class PauseWatcher:
    """Shows what is paused, as a gauge and in words. Blocks its thread."""

    def __init__(self, ledger: Ledger, metrics: DeliverMetrics) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._shown: set[str] = set()
        self.everything = False
        """Whether everything is paused."""
        self.detail: str | None = None
        """Such as `paused: checkout`; None while nothing is paused."""

    def refresh(self) -> None:
        with self._ledger.reading() as connection:
            paused = set(queries.pauses.paused_since(connection))
        for name in self._shown | paused:
            self._metrics.paused.labels(name or "*").set(name in paused)
        self._shown |= paused
        self.everything = EVERYTHING in paused
        self.detail = "paused: " + ", ".join(name or "everything" for name in sorted(paused)) if paused else None
