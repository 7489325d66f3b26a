"""Time. Everything in Lapse counts in whole milliseconds since the epoch, UTC."""

import time
from collections.abc import Callable
from typing import Protocol, TypeAlias

Millis: TypeAlias = int
"""A moment (milliseconds since the epoch, UTC) or a span (milliseconds); the name says which."""

SECOND: Millis = 1_000
MINUTE: Millis = 60 * SECOND
HOUR: Millis = 60 * MINUTE
DAY: Millis = 24 * HOUR

Now: TypeAlias = Callable[[], Millis]
"""Whatever tells the time to a part that acts; parts that decide take `now` as an argument."""


class Clock(Protocol):
    """A wall clock beside one that nobody sets."""

    def now(self) -> Millis:
        """Milliseconds since the epoch, UTC, as this machine believes."""
        ...

    def monotonic(self) -> Millis:
        """Milliseconds since some fixed moment; counts through a suspended machine, never jumps."""
        ...


class SystemClock:
    """This machine's clocks."""

    def now(self) -> Millis:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> Millis:
        # CLOCK_BOOTTIME counts while the machine sleeps, so waking up is no disagreement with the wall.
        source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return time.clock_gettime_ns(source) // 1_000_000


class ManualClock:
    """A clock that moves when told to: for timelines in tests, and for replaying history.

    `advance` moves both clocks, as time does; `jump` moves only the wall, as a bad NTP server does.
    """

    def __init__(self, wall: Millis = 0) -> None:
        self._wall = wall
        self._steady = 0

    def now(self) -> Millis:
        return self._wall

    def monotonic(self) -> Millis:
        return self._steady

    def advance(self, span: Millis) -> None:
        self._wall += span
        self._steady += span

    def jump(self, span: Millis) -> None:
        self._wall += span
