"""Gauges of what stands in the ledger, which are the same in every replica."""

from collections.abc import Sequence

from consumer.clock import SECOND, Millis, Now
from consumer.ledger import queries
from consumer.ledger.schema.rows import ChannelRow
from consumer.ledger.store import Ledger
from consumer.metrics import BREAKER_STATES, DeliverMetrics


def breaker_state(row: ChannelRow, now: Millis) -> str:
    """Return one of BREAKER_STATES."""
    if row.stopped_because is None:
        return "closed"
    return "half_open" if row.probe_at is not None and row.probe_at <= now else "open"


class LedgerGauges:
    """Measures circuit breakers and how long reminders are due. Blocks its thread; raises what the ledger does."""

    def __init__(self, ledger: Ledger, media: Sequence[str], metrics: DeliverMetrics, now: Now) -> None:
        self._ledger = ledger
        self._media = media
        self._metrics = metrics
        self._now = now

    def refresh(self) -> None:
        """Read the ledger and set the gauges."""
        now = self._now()
        with self._ledger.reading() as connection:
            breakers = queries.channels.all_states(connection)
            oldest = {medium: queries.reminders.oldest_due(connection, medium, now) for medium in self._media}
        for medium, due_at in oldest.items():
            age_ms = 0 if due_at is None else now - due_at
            self._metrics.oldest_due_reminder.labels(medium).set(age_ms / SECOND)
        never_used = [ChannelRow(medium) for medium in self._media if medium not in {row.name for row in breakers}]
        for row in [*breakers, *never_used]:
            present = breaker_state(row, now)
            for state in BREAKER_STATES:
                self._metrics.circuit_breaker_state.labels(row.name, state).set(state == present)
