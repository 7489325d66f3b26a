"""When a person may get messages: on some weekdays, between two times of their local clock. Pure.

Local time decides. So when clocks are put forward past the window's opening, it opens at the jump; when they are put
back into the window, it opens a second time; and the night of a change is an hour shorter or longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from consumer.clock import DAY, HOUR, SECOND, Millis

_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday
_SEARCH_LIMIT: Millis = 15 * DAY
"""A window opens once a week or more often, so within two weeks even if a change of the clocks skips one opening."""


@dataclass(frozen=True, slots=True)
class Window:
    """Open from `opens` (inclusive) to `closes` (exclusive), milliseconds since midnight, on `days` (0 is Monday).

    If `closes` is not after `opens`, the window crosses midnight, and belongs to the day on which it opens.
    """

    opens: Millis
    closes: Millis
    days: frozenset[int] = frozenset(range(7))

    @property
    def length(self) -> Millis:
        return self.closes - self.opens + (DAY if self.closes <= self.opens else 0)

    def first_open(self, local: Millis) -> Millis:
        """Return the first local time at or after `local` that is in the window, if the clock is never changed."""
        day = local // DAY - 1  # last night's window may still be open
        while True:
            begins = day * DAY + self.opens
            if (day + _EPOCH_WEEKDAY) % 7 in self.days and local < begins + self.length:
                return max(local, begins)
            day += 1

    @property
    def longest_closed(self) -> Millis:
        """Return the longest time for which it may stay closed, with an hour for the change from summer time."""
        ends = [day * DAY + self.opens + self.length for day in range(7) if (day + _EPOCH_WEEKDAY) % 7 in self.days]
        waits = [self.first_open(end) - end for end in ends]
        return max(waits) + HOUR if max(waits) else 0


def next_opening(now: Millis, zone: ZoneInfo, window: Window) -> Millis:
    """Return the first moment at or after `now` at which the window is open in this zone."""
    at = now
    while True:
        offset, until = _offset(at, zone), at + DAY
        if _offset(until, zone) != offset:
            until = _find_clock_change(at, until, zone)
        opening = window.first_open(at + offset) - offset
        if opening < until:
            return opening
        at = until


def common_opening(now: Millis, zones: Sequence[ZoneInfo], window: Window) -> Millis | None:
    """Return the first moment at or after `now` at which it is open in all of these zones; None if there is none."""
    at = now
    while at < now + _SEARCH_LIMIT:
        latest = max((next_opening(at, zone, window) for zone in zones), default=at)
        if latest == at:
            return at
        at = latest
    return None


def zone_of(name: str | None) -> ZoneInfo | None:
    """Return the zone of that name; None if there is none."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


def _offset(at: Millis, zone: ZoneInfo) -> Millis:
    """Return how far this zone's clocks are ahead of UTC at that moment."""
    shift = datetime.fromtimestamp(at // SECOND, zone).utcoffset()
    assert shift is not None  # a ZoneInfo always knows
    return round(shift.total_seconds()) * SECOND


def _find_clock_change(before: Millis, after: Millis, zone: ZoneInfo) -> Millis:
    """Return the moment between these two at which the clocks change."""
    old = _offset(before, zone)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, zone) == old:
            before = middle
        else:
            after = middle
    return after
