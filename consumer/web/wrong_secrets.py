"""Makes each wrong secret wait longer for its refusal than the one before. A right one never waits."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException

from consumer.clock import SECOND, Clock, Millis

FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 5.0
MAX_WAITING = 32
"""Refusals that wait at a time. Each holds a connection, so further ones are answered at once."""
_FORGOTTEN_EVERY: Millis = 10 * SECOND


class WrongSecrets:
    """Counts wrong secrets, whoever sent them, and forgets one of them every ten seconds."""

    def __init__(self, clock: Clock, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._count = 0
        self._counted_at = clock.monotonic()
        self._waiting = 0

    async def delay(self) -> None:
        """Wait before a refusal. Raises HTTPException 429 if too many wait already."""
        if self._waiting >= MAX_WAITING:
            raise HTTPException(429, "too many wrong secrets", {"Retry-After": "10"})
        self._waiting += 1
        try:
            await self._sleep(self._next_delay_s())
        finally:
            self._waiting -= 1

    def _next_delay_s(self) -> float:
        forgotten = (self._clock.monotonic() - self._counted_at) // _FORGOTTEN_EVERY
        self._count = max(0, self._count - forgotten) + 1
        self._counted_at += forgotten * _FORGOTTEN_EVERY
        return delay_s(self._count)


def delay_s(count: int) -> float:
    """Return how long the refusal of the latest of `count` wrong secrets waits."""
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(count - 1, 20))
