"""Time. Every moment in Lapse is whole milliseconds since the epoch, UTC."""

import time
from collections.abc import Callable
from typing import Protocol, TypeAlias

Millis: TypeAlias = int
"""A moment (milliseconds since the epoch, UTC) or a duration (milliseconds); the name says which."""

SECOND: Millis = 1_000
MINUTE: Millis = 60 * SECOND
HOUR: Millis = 60 * MINUTE
DAY: Millis = 24 * HOUR
YEAR_1990: Millis = 631_152_000_000
YEAR_2000: Millis = 946_684_800_000
YEAR_10000: Millis = 253_402_300_800_000
"""The first moment that no calendar of Python's shows."""

Now: TypeAlias = Callable[[], Millis]
"""Returns the present time. For parts that act; pure functions take `now` as an argument."""


class Clock(Protocol):
    """A wall clock, and a monotonic clock."""

    def now(self) -> Millis:
        """Return milliseconds since the epoch, UTC, by this machine's wall clock."""
        ...

    def monotonic(self) -> Millis:
        """Return milliseconds since some fixed moment; includes time in suspension, never jumps."""
        ...


class SystemClock:
    """This machine's clocks."""

    def now(self) -> Millis:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> Millis:
        # CLOCK_BOOTTIME includes suspension, so that both clocks agree after the machine wakes up.
        source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return time.clock_gettime_ns(source) // 1_000_000


class ManualClock:
    """A clock that moves only when told: for timelines in tests, and for replaying history.

    `advance` moves both clocks, as time does; `jump` moves only the wall clock, as a wrong NTP server does.
    """

    def __init__(self, wall: Millis = 0) -> None:
        self._wall = wall
        self._monotonic = 0

    def now(self) -> Millis:
        return self._wall

    def monotonic(self) -> Millis:
        return self._monotonic

    def advance(self, span: Millis) -> None:
        self._wall += span
        self._monotonic += span

    def jump(self, span: Millis) -> None:
        self._wall += span
