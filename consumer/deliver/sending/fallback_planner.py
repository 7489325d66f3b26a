"""Adds the row of the next medium where one was impossible. Whoever comes second adds nothing."""

from collections.abc import Sequence

from consumer.clock import Now
from consumer.deliver.policy.checks import CheckRules, too_old_at
from consumer.deliver.policy.fallback import next_medium_row
from consumer.deliver.unit_of_work import unit_of_work
from consumer.ledger import queries
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics

_MOST = 200


class FallbackPlanner:
    """`media` are those configured, in their order. Blocks its thread."""

    def __init__(
        self, ledger: Ledger, *, media: Sequence[str], rules: CheckRules, metrics: DeliverMetrics, now: Now
    ) -> None:
        self._ledger = ledger
        self._media = media
        self._rules = rules
        self._metrics = metrics
        self._now = now

    def step(self) -> int:
        """Look once at what has ended since. Returns how many reminders that were; raises what the ledger raised."""
        now = self._now()
        with self._ledger.reading() as connection:
            if not queries.reminders.any_fallback_due(connection, now):
                return 0
        with unit_of_work(self._ledger, self._metrics, now) as work:
            ended = queries.reminders.lock_fallback_due(work.connection, now, _MOST)
            work.add_locked(queries.reminders.lock_by_ids(work.connection, {row.reminder_id for row in ended}))
            for row in ended:
                work.update(row._replace(fallback_at=None))
                lapsed_at = row.last_seen if row.lapsed_at is None else row.lapsed_at
                following = next_medium_row(row, self._media, now) if now < too_old_at(lapsed_at, self._rules) else None
                if following is not None and work.get(following.key) is None:
                    work.insert(following)
        return len(ended)
