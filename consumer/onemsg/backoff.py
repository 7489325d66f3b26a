"""Backoff: how long to wait after a refused request, by what the refusal requires. Pure."""

from collections.abc import Mapping

from consumer.clock import DAY, HOUR, MINUTE, SECOND, Millis
from consumer.onemsg.outcomes import Remedy

_BACKOFFS: Mapping[Remedy, tuple[Millis, int, Millis]] = {
    # first wait, factor from one try to the next, longest wait
    Remedy.PAIR: (SECOND, 4, DAY),  # 4^X seconds, X = 0, 1, 2 … [pair]
    Remedy.SLOW: (5 * SECOND, 2, 15 * MINUTE),
    Remedy.TRANSIENT: (10 * SECOND, 3, 15 * MINUTE),
    Remedy.CHANNEL: (MINUTE, 2, HOUR),
    Remedy.DAY: (DAY, 1, DAY),  # [userlimits]: at least 24 h each time
}


def may_retry(remedy: Remedy) -> bool:
    """Return whether the same reminder may be tried again later."""
    return remedy in _BACKOFFS


def wait(remedy: Remedy, attempt: int, retry_after: Millis | None = None) -> Millis:
    """Return how long to wait after the `attempt`-th try (from 1) was refused, in milliseconds.

    At least `retry_after`. Raises ValueError for a remedy that allows no other try.
    """
    if remedy not in _BACKOFFS:
        raise ValueError(f"{remedy.value} is final")
    first, factor, longest = _BACKOFFS[remedy]
    grown: Millis = first * factor ** min(max(attempt, 1) - 1, 20)
    return max(min(grown, longest), retry_after or 0)
