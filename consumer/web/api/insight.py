"""`GET /api/insight`: what the reminders bring, compared with the holdout."""

from collections.abc import Sequence
from dataclasses import dataclass

from consumer.clock import DAY, Clock, Millis
from consumer.insight.report import ProcessUplift, uplifts_of
from consumer.ledger import queries
from consumer.ledger.store import Ledger

SPAN: Millis = 90 * DAY
DIFFERENCE = 0.02
"""The smallest difference that is worth finding, unless somebody asks otherwise."""


@dataclass(frozen=True, slots=True)
class Insight:
    """The comparison in each process, of the last 90 days. `holdout` is the configured share of users."""

    since: Millis
    until: Millis
    holdout: float
    dry_run: bool
    difference: float
    uplifts: Sequence[ProcessUplift]


class InsightView:
    """Counts it. Blocks its thread."""

    def __init__(self, clock: Clock, ledger: Ledger, *, holdout: float, dry_run: bool) -> None:
        self._clock = clock
        self._ledger = ledger
        self._holdout = holdout
        self._dry_run = dry_run

    def read(self) -> Insight:
        now = self._clock.now()
        since = max(0, now - SPAN)
        with self._ledger.reading() as connection:
            counts = queries.episodes.counts(connection, since, now + 1, None, over_before=now)
        return Insight(since, now, self._holdout, self._dry_run, DIFFERENCE, uplifts_of(counts, now, DIFFERENCE))
