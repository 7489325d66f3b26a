"""Judges single partitions: can their records be read, and do their events' times agree with their records'?"""

from collections import deque

import numpy as np

from consumer.clock import MINUTE, Millis
from consumer.detect.lapse_rules import Times

_MIN_RECORDS = 100
_MIN_EVENTS = 20
_SKEW_OVER: Millis = 5 * MINUTE
_SAMPLE = 500
"""Events of a batch from which the median skew is taken."""


class ReadabilityMonitor:
    """Judges whether a partition's records can be read: above a share of bad ones its silence means nothing.

    It looks at the last records, at least a hundred; once distrusted, a partition stays so until an operator releases
    it. A release lasts: until the share has been normal again it takes a far greater one to distrust the partition.
    """

    def __init__(self, max_bad_share: float, distrusted: bool = False, tolerated: float = 0.0) -> None:
        """`tolerated` is the share that counts after a release; 0 if there was none."""
        self._max_bad_share = max_bad_share
        self._good = 0.0
        self._bad = 0.0
        self.distrusted = distrusted
        self.tolerated = tolerated

    def count(self, good: int, bad: int) -> None:
        """Count a batch of good and bad records."""
        self._good += good
        self._bad += bad
        total = self._good + self._bad
        if total >= _MIN_RECORDS:
            if self._bad > max(self._max_bad_share, self.tolerated) * total:
                self.distrusted = True
            elif self._bad <= self._max_bad_share * total:
                self.tolerated = 0.0
        if total > 10 * _MIN_RECORDS:  # older records count less and less
            self._good, self._bad = self._good / 2, self._bad / 2

    def release(self) -> None:
        """Trust the partition again, and tolerate half of what is still missing to a share of all records."""
        total = self._good + self._bad
        share = self._bad / total if total else self._max_bad_share
        self.tolerated = (share + 1) / 2
        self._good = self._bad = 0.0
        self.distrusted = False


class SkewMonitor:
    """Judges whether most event times of the last minutes are further from their record times than clocks may be.

    Then a time zone was forgotten, or history is being replayed, and a silence by such times proves nothing. At least
    twenty events are judged, older ones included where the last minutes have fewer.
    """

    def __init__(self, clock_doubt: Millis, skewed: bool = False) -> None:
        self._clock_doubt = clock_doubt
        self._minutes: deque[tuple[int, int, int]] = deque()  # the minute, events, those that are apart
        self.skewed = skewed
        self.median: Millis = 0
        """How far records were written after their events, in the latest batch; below zero: before."""

    def observe(self, skew: Times, now: Millis) -> None:
        """Count the events of a batch by how far each record was written after its event (ms)."""
        if not skew.size:
            return
        self.median = int(np.median(skew[:: 1 + skew.size // _SAMPLE]))
        self._count(now // MINUTE, skew.size, int(np.count_nonzero(np.abs(skew) > self._clock_doubt)))
        events = sum(count for _, count, _ in self._minutes)
        if events >= _MIN_EVENTS:
            self.skewed = 2 * sum(apart for *_, apart in self._minutes) > events

    def _count(self, minute: int, events: int, apart: int) -> None:
        if self._minutes and self._minutes[-1][0] == minute:
            _, before, apart_before = self._minutes.pop()
            events, apart = events + before, apart + apart_before
        self._minutes.append((minute, events, apart))
        while (
            self._minutes[0][0] <= minute - _SKEW_OVER // MINUTE
            and sum(count for _, count, _ in self._minutes) - self._minutes[0][1] >= _MIN_EVENTS
        ):
            self._minutes.popleft()
