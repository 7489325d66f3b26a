"""Adds a row on the next medium where one medium was impossible. A second replica finds the row and adds nothing."""

from collections.abc import Sequence

from consumer.clock import Now
from consumer.deliver.lifecycle import Suppress
from consumer.deliver.policy.checks import CheckRules, too_old_at
from consumer.deliver.policy.fallback import next_medium_row
from consumer.deliver.unit_of_work import unit_of_work
from consumer.ledger import queries
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.records import WHATSAPP

_BATCH = 200


class FallbackPlanner:
    """`media` are the configured fallbacks, in their order. Blocks its thread."""

    def __init__(
        self, ledger: Ledger, *, media: Sequence[str], rules: CheckRules, metrics: DeliverMetrics, now: Now
    ) -> None:
        self._ledger = ledger
        self._media = media
        self._rules = rules
        self._metrics = metrics
        self._now = now
        self._may_be_stranded = True
        """Rows of a medium that is not configured any more; only a start can make it so."""

    def step(self) -> int:
        """Handle one batch of rows that have ended. Returns how many; raises what the ledger raises."""
        if self._may_be_stranded and (stranded := self._end_stranded()):
            return stranded
        now = self._now()
        with self._ledger.reading() as connection:
            if not queries.reminders.any_fallback_due(connection, now):
                return 0
        with unit_of_work(self._ledger, self._metrics, now) as work:
            ended = queries.reminders.lock_fallback_due(work.connection, now, _BATCH)
            usable = work.add_locked(ended)
            work.add_locked(queries.reminders.lock_by_ids(work.connection, {row.reminder_id for row in usable}))
            for row in usable:
                work.update(row._replace(fallback_at=None))
                expired = now >= too_old_at(row.lapse_time, self._rules)
                following = None if expired else next_medium_row(row, self._media, now)
                if following is not None and work.get(following.key) is None:
                    work.insert(following)
        return len(ended)

    def _end_stranded(self) -> int:
        """Suppress unsent rows of media that are not configured; the next medium follows where there is one."""
        with unit_of_work(self._ledger, self._metrics, self._now()) as work:
            rows = queries.reminders.lock_unsent_on_other_media(work.connection, [WHATSAPP, *self._media], _BATCH)
            for row in work.add_locked(rows):
                work.apply_event(row.key, Suppress("medium_not_configured"))
        self._may_be_stranded = bool(rows)
        return len(rows)
