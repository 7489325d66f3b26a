"""`GET /api/insight`: what the reminders bring, compared with the holdout, and what other thresholds would do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from consumer.clock import DAY, Clock, Millis
from consumer.insight.published_backtest import PublishedBacktest, parse
from consumer.insight.report import Money, ProcessUplift, uplifts_of
from consumer.ledger import queries
from consumer.ledger.queries.reporting.report import DeliveredCount
from consumer.ledger.store import Ledger

SPAN: Millis = 90 * DAY
_MONEY_SPAN: Millis = 30 * DAY
DIFFERENCE = 0.02
"""The smallest difference that is worth finding, unless somebody asks otherwise."""
MoneyOf: TypeAlias = Callable[[Sequence[DeliveredCount]], Sequence[Money]]
"""Prices delivered messages."""


@dataclass(frozen=True, slots=True)
class Insight:
    """The comparison in each process, of the last 90 days. `holdout` is the configured share of users."""

    since: Millis
    until: Millis
    holdout: float
    dry_run: bool
    difference: float
    uplifts: Sequence[ProcessUplift]
    currency: str | None
    money: Sequence[Money]
    """Of messages of the last 30 days; none where `prices` is not configured."""
    backtest: PublishedBacktest | None
    """What `lapse backtest --publish` found last: the return curves, and what other thresholds would do."""


class InsightView:
    """Counts it. Blocks its thread."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        *,
        holdout: float,
        dry_run: bool,
        currency: str | None = None,
        money_of: MoneyOf = lambda delivered: [],
    ) -> None:
        self._currency = currency
        self._money_of = money_of
        self._clock = clock
        self._ledger = ledger
        self._holdout = holdout
        self._dry_run = dry_run

    def read(self) -> Insight:
        now = self._clock.now()
        since = max(0, now - SPAN)
        with self._ledger.reading() as connection:
            arms = queries.episodes.arms(connection, since, now + 1, None, over_before=now)
            count = queries.reporting.report.delivered
            delivered = count(connection, now - _MONEY_SPAN, now + 1, None) if self._currency else []
            published = parse(queries.reporting.backtests.latest(connection))
        return Insight(
            since,
            now,
            self._holdout,
            self._dry_run,
            DIFFERENCE,
            uplifts_of(arms, now, DIFFERENCE),
            self._currency,
            self._money_of(delivered),
            published,
        )
