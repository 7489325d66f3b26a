"""Tells how many lapses were only counted because they lie before the first start, or before their step was added."""

from collections.abc import Iterable

import structlog

from consumer.clock import SECOND, Clock, Millis
from consumer.detect.table import AdvanceResult

_SETTLED_AFTER_MS: Millis = 2 * SECOND
"""They come in several turns, and from several partitions: one line is written once no more have come for so long."""
_log = structlog.get_logger()


class StartReport:
    """Counts them since the process started."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._grew_at: Millis | None = None
        self.count = 0

    @property
    def words(self) -> list[str]:
        """Return a sentence for people, if there is something to tell."""
        if not self.count:
            return []
        return [f"{self.count:,} lapses were before the start and only counted (source.backfill asks for them)"]

    def record(self, results: Iterable[AdvanceResult]) -> None:
        """Add those of one turn; log the number once it has settled."""
        new = sum(n for each in results for (_, _, outcome), n in each.lapses.items() if outcome == "before_start")
        if new:
            self.count += new
            self._grew_at = self._clock.monotonic()
        elif self._grew_at is not None and self._clock.monotonic() - self._grew_at >= _SETTLED_AFTER_MS:
            self._grew_at = None
            _log.info("lapses_before_start_not_asked_for", count=self.count, setting="source.backfill")
