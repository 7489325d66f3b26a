"""Times of a wall clock in a time zone, as moments in UTC.

Where a zone's clocks go back, an hour is shown twice; where they go forward, an hour is never shown, and a clock that
shows it has not been changed yet. Both are read as the later of the two moments that could be meant: an activity that
counts as too late delays a reminder, one that counts as too early would send it to somebody who is still at work.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from consumer.clock import MINUTE, Millis

_QUARTER: Millis = 15 * MINUTE
"""A zone's offset changes only at quarters of an hour (since long before the year 2000)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_YEARS_1_TO_9999 = (-69_043_104, 281_661_408)
"""The quarters in which Python can look an offset up, less a day at each end."""


def to_utc(local: npt.NDArray[np.int64], zone: str) -> npt.NDArray[np.int64]:
    """Return the moments at which a clock in `zone` shows these times (ms, as if they were UTC)."""
    quarters, places = np.unique(local // _QUARTER, return_inverse=True)
    offsets = np.array([_offset(quarter, zone) for quarter in quarters.tolist()], np.int64)
    return local - offsets[places]


@lru_cache(100_000)
def _offset(quarter: int, zone: str) -> Millis:
    """Return how far the clock is ahead of UTC in this quarter of an hour since 1970; 0 outside of Python's calendar.

    Of two offsets it is the smaller one, which gives the later moment.
    """
    if not _YEARS_1_TO_9999[0] < quarter < _YEARS_1_TO_9999[1]:
        return 0
    shown = (_EPOCH + quarter * _QUARTER * _MILLISECOND).replace(tzinfo=ZoneInfo(zone))
    offsets = [moment.utcoffset() or timedelta() for moment in (shown, shown.replace(fold=1))]
    return min(offsets) // _MILLISECOND
