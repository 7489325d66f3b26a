"""Lets go of reminders that are over and old, and of what people wrote to us as long ago.

What still protects somebody stays, however old: opt-outs, holds, whatever waits or is in doubt. Configuration sees to
it that rows outlive everything that is counted from them (caps, spacing, `expire_after`); a lapse that is older than
its row is expired by its age alone.
"""

from consumer.clock import Millis, Now
from consumer.deliver.lifecycle import FINAL, Status
from consumer.ledger import queries
from consumer.ledger.store import Ledger

_BATCH = 200
_OVER = sorted(status.value for status in (FINAL | {Status.ACCEPTED, Status.SENT}) - {Status.UNRESOLVED})
"""With those of which nothing more was heard: while anything is waited for, a row is not pruned."""


class Retention:
    """Blocks its thread, for a moment each time."""

    def __init__(self, ledger: Ledger, *, keep: Millis, now: Now) -> None:
        self._ledger = ledger
        self._keep = keep
        self._now = now

    def step(self) -> int:
        """One small batch, if no other replica is at it. Returns how many rows went."""
        before = self._now() - self._keep
        with self._ledger.transaction() as connection:
            if not queries.replicas.try_advisory_lock(connection, "pruning"):
                return 0
            keys = queries.reminders.lock_removable(connection, before, _OVER, _BATCH)
            if keys:
                queries.reminders.delete_with_history(connection, keys)
            others = queries.inbox.delete_inbound_before(connection, before, _BATCH)
            others += queries.outbox.delete_published_opt_outs(connection, before, _BATCH)
        return len(keys) + others
