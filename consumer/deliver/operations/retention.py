"""Deletes old reminders that are over, and likely opt-outs as old; of old episodes their counts by day stay.

What still protects a person stays, however old: opt-outs, holds, and whatever waits or is in doubt. Configuration makes
sure that rows outlive everything that is counted from them (caps, spacing, `expire_after`); a lapse older than that is
expired by its age, without its row.
"""

from consumer.clock import Millis, Now
from consumer.deliver.lifecycle import FINAL, Status
from consumer.ledger import queries
from consumer.ledger.schema.episode_tables import HORIZON
from consumer.ledger.store import Ledger

_BATCH = 200
_DELETED_STATUSES = sorted(status.value for status in (FINAL | {Status.ACCEPTED, Status.SENT}) - {Status.UNRESOLVED})
"""Accepted and sent are among them: a row that still waits for a report is not deleted."""


class Retention:
    """Deletes rows older than `keep_ms`. Blocks its thread, briefly each time."""

    def __init__(self, ledger: Ledger, *, keep_ms: Millis, now: Now) -> None:
        self._ledger = ledger
        self._keep_ms = keep_ms
        self._now = now

    def step(self) -> int:
        """Delete one small batch, unless another replica is doing it. Returns how many rows were deleted."""
        before = self._now() - self._keep_ms
        with self._ledger.transaction() as connection:
            if not queries.replicas.try_advisory_lock(connection, "pruning"):
                return 0
            keys = queries.reminders.lock_removable(connection, before, _DELETED_STATUSES, _BATCH)
            if keys:
                queries.reminders.delete_with_history(connection, keys)
            others = queries.inbox.delete_inbound_before(connection, before, _BATCH)
            others += queries.outbox.delete_published_opt_outs(connection, before, _BATCH)
            others += queries.episodes.fold(connection, min(before, self._now() - HORIZON), _BATCH)
        self._ledger.analyze_new_tables()
        if self._ledger.needs_scrub:
            self._ledger.scrub()
        return len(keys) + others
