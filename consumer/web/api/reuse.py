"""Reuses an answer for a moment, so that many open pages do not count the ledger many times."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from consumer.clock import SECOND, Clock, Millis

_MIN_REUSE_MS, _MAX_REUSE_MS = SECOND // 2, 5 * SECOND
_REUSE_FACTOR = 50
_MAX_ANSWERS = 32

A = TypeVar("A")


class Reuse(Generic[A]):
    """The answers to the latest questions. One at a time is made, in a thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: dict[Hashable, tuple[A, Millis]] = {}
        """By question: the answer, and until when (monotonic) it may be reused."""
        self._changes = 0
        self._lock = asyncio.Lock()

    async def get(self, question: Hashable, make: Callable[[], A]) -> A:
        """Return the answer to a question, made at most a few seconds ago."""
        async with self._lock:
            started = self._clock.monotonic()
            found = self._answers.pop(question, None)
            if found is None or started >= found[1]:
                changes = self._changes
                answer = await asyncio.to_thread(make)
                ended = self._clock.monotonic()
                found = (answer, ended + reuse_time(ended - started))
                if changes != self._changes:
                    return answer  # made while something was changed
            self._answers[question] = found
            while len(self._answers) > _MAX_ANSWERS:
                del self._answers[next(iter(self._answers))]
            return found[0]

    def forget(self) -> None:
        """Forget all answers: something was changed."""
        self._changes += 1
        self._answers.clear()


def reuse_time(making: Millis) -> Millis:
    """Return how long to reuse an answer that took `making` to make.

    A small ledger may be counted twice a second, a large one once in five seconds.
    """
    return min(_MAX_REUSE_MS, max(_MIN_REUSE_MS, _REUSE_FACTOR * making))
