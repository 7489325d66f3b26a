"""When somebody may be written to: on some weekdays, between two times that their own clock shows. Pure.

What counts is what the clock on their wall says. So where clocks are put forward past a window's beginning it opens
with the jump, where they are put back into it it opens again, and the night between has an hour less or more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from consumer.clock import DAY, HOUR, SECOND, Millis

_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday
_FAR = 15 * DAY
"""Whatever opens within a week, opens within two, even where a change of the clocks swallows it once."""


@dataclass(frozen=True, slots=True)
class Window:
    """Open from `opens` until just before `closes` (milliseconds since midnight) on `days` (0 is Monday).

    One that closes at or before it opens crosses midnight, and belongs to the day on which it opens.
    """

    opens: Millis
    closes: Millis
    days: frozenset[int] = frozenset(range(7))

    @property
    def length(self) -> Millis:
        return self.closes - self.opens + (DAY if self.closes <= self.opens else 0)

    def first_open(self, local: Millis) -> Millis:
        """The first local time from `local` on that lies in the window, on a clock that nobody changes."""
        day = local // DAY - 1  # last night's window may still be open
        while True:
            begins = day * DAY + self.opens
            if (day + _EPOCH_WEEKDAY) % 7 in self.days and local < begins + self.length:
                return max(local, begins)
            day += 1

    @property
    def longest_closed(self) -> Millis:
        """The longest time for which it may be closed; an hour is allowed for clocks that are put back."""
        ends = [day * DAY + self.opens + self.length for day in range(7) if (day + _EPOCH_WEEKDAY) % 7 in self.days]
        waits = [self.first_open(end) - end for end in ends]
        return max(waits) + HOUR if max(waits) else 0


def next_opening(now: Millis, zone: ZoneInfo, window: Window) -> Millis:
    """The first moment from `now` on at which the window is open in this zone: `now` itself while it is open."""
    at = now
    while True:
        offset, until = _offset(at, zone), at + DAY
        if _offset(until, zone) != offset:
            until = _changed(at, until, zone)
        opening = window.first_open(at + offset) - offset
        if opening < until:
            return opening
        at = until


def common_opening(now: Millis, zones: Sequence[ZoneInfo], window: Window) -> Millis | None:
    """The first moment from `now` on at which it is open in all of these zones; None if they have none in common."""
    at = now
    while at < now + _FAR:
        latest = max((next_opening(at, zone, window) for zone in zones), default=at)
        if latest == at:
            return at
        at = latest
    return None


def zone_of(name: str | None) -> ZoneInfo | None:
    """The zone of that name, if there is one."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


def _offset(at: Millis, zone: ZoneInfo) -> Millis:
    """How far this zone's clocks are ahead of UTC then."""
    shift = datetime.fromtimestamp(at // SECOND, zone).utcoffset()
    assert shift is not None  # a ZoneInfo always knows
    return round(shift.total_seconds()) * SECOND


def _changed(before: Millis, after: Millis, zone: ZoneInfo) -> Millis:
    """The moment between these two at which the clocks were changed."""
    old = _offset(before, zone)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, zone) == old:
            before = middle
        else:
            after = middle
    return after
