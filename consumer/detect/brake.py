"""The brake: holds lapses back while silence is more likely a broken input than thousands of clients gone quiet.

It judges the input by when its records were written, not by when they were read, so that catching up with a backlog
looks like the days it is made of. While it is engaged no lapse is asked for. It disengages when the input is known to
be normal again, or when an operator releases it. Pure: the time is an argument.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from consumer.clock import MINUTE, SECOND, Millis
from consumer.detect.lapse_rules import Times

_BUCKET_MS: Millis = 5 * SECOND
_MIN_EXPECTED_RECORDS = 100
"""Records that must be expected in a window, by the recent mean, before their absence means anything."""
_DENSE_BUCKETS = 10_000
"""Span of a batch, in buckets, up to which an array of counts is cheaper than sorting."""
_MIN_HISTORY_WINDOWS = 5
"""Windows of history that a mean needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeRules:
    """`floor` is in records a second, `lapse_limit` in lapses a minute; None switches a rule off.

    Over the last `window` the input must not fall under `floor`, nor under `share_of_mean` of its own mean over
    the last `mean_over`.
    """

    floor: float | None = None
    share_of_mean: float | None = 0.1
    window: Millis = MINUTE
    mean_over: Millis = 60 * MINUTE
    lapse_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeState:
    """What is stored with a partition, to outlive restarts and to move with it to another process.

    `distrusted`: too many of its records cannot be read, so its watermark stands still. `held` and `released` are
    reasons of the brake.
    """

    distrusted: bool = False
    held: str | None = None
    released: str | None = None


NO_BRAKE_STATE = BrakeState()


class Brake:
    """Judges the input of all partitions of one process together."""

    def __init__(self, rules: BrakeRules) -> None:
        self._rules = rules
        self._counts: dict[int, int] = {}
        """Number of records by the bucket of time in which they were written."""
        self._since: Millis | None = None
        self._lapsed: deque[tuple[Millis, int]] = deque()
        self._objection: str | None = None
        """The last reason found against the input, until the input is known to be normal."""
        self.released: str | None = None
        """The reason that an operator released: it holds nothing back until it has passed."""
        self.engaged: str | None = None
        """Why lapses are held back: below_floor, below_mean, lapse_storm; None while they are not."""

    def reset(self, *taken_over: BrakeState) -> None:
        """Start anew with other partitions, whose volume is not known.

        Reasons found against the input stay, those of this process and those of the partitions `taken_over`.
        """
        self._counts.clear()
        self._since = None
        for verdicts in taken_over:
            self.released = self.released or verdicts.released
            self._objection = self._objection or verdicts.held or verdicts.released
        if self._objection and self._objection != self.released:
            self.engaged = self._objection

    def observe(self, written_at: Times) -> None:
        """Count records by the times (ms) at which they were written."""
        if not written_at.size:
            return
        buckets = written_at // _BUCKET_MS
        first = int(buckets.min())
        if buckets.max() - first < _DENSE_BUCKETS:
            counted = np.bincount(buckets - first)
            found = np.flatnonzero(counted)
            pairs = zip((found + first).tolist(), counted[found].tolist(), strict=True)
        else:
            buckets, counts = np.unique(buckets, return_counts=True)
            pairs = zip(buckets.tolist(), counts.tolist(), strict=True)
        for bucket, count in pairs:
            self._counts[bucket] = self._counts.get(bucket, 0) + count

    def judge(self, clock: Millis, due: int) -> str | None:
        """Return the reason to hold lapses back now, or None. `due` is the number of lapses waiting to be asked for.

        `clock` is the watermark of all partitions.
        """
        if self._since is None:
            self._since = min([clock, *(bucket * _BUCKET_MS for bucket in self._counts)])
        self._forget(clock)
        low = self._low_input(clock)
        if low is not None or self._can_tell(clock):
            self._objection = low
        reason = self._objection or self._storm(clock, due)
        if reason != self.released:
            self.released = None
        self.engaged = None if reason == self.released else reason
        return self.engaged

    def count_asked(self, clock: Millis, count: int) -> None:
        """Note that `count` lapses were asked for."""
        if count and self._rules.lapse_limit is not None:
            self._lapsed.append((clock, count))

    def release(self) -> str | None:
        """Release the present reason: it holds nothing back until it has passed. Returns that reason."""
        if self.engaged is not None:
            self.released, self.engaged = self.engaged, None
        return self.released

    def _low_input(self, clock: Millis) -> str | None:
        rules, window = self._rules, self._rules.window
        if self._known(clock) < window:
            return None
        recent = self._count(clock - window, clock)
        if rules.floor is not None and recent < rules.floor * window / SECOND:
            return "below_floor"
        expected = self._expected(clock)
        if (
            rules.share_of_mean is not None
            and expected >= _MIN_EXPECTED_RECORDS
            and recent < rules.share_of_mean * expected
        ):
            return "below_mean"
        return None

    def _can_tell(self, clock: Millis) -> bool:
        """Return whether the input is known to be normal if no reason was found against it."""
        if self._objection == "below_mean" and self._rules.share_of_mean is not None:
            return self._expected(clock) >= _MIN_EXPECTED_RECORDS
        return self._known(clock) >= self._rules.window

    def _expected(self, clock: Millis) -> float:
        """Return the records expected in a window by the recent mean; 0 while there is no mean."""
        window, known = self._rules.window, self._known(clock)
        if known < _MIN_HISTORY_WINDOWS * window:
            return 0.0
        before = min(known, self._rules.mean_over) - window
        return self._count(clock - window - before, clock - window) * window / before

    def _known(self, clock: Millis) -> Millis:
        assert self._since is not None
        return clock - self._since

    def _storm(self, clock: Millis, due: int) -> str | None:
        while self._lapsed and self._lapsed[0][0] <= clock - MINUTE:
            self._lapsed.popleft()
        limit = self._rules.lapse_limit
        asked = sum(count for _, count in self._lapsed)
        return "lapse_storm" if limit is not None and asked + due > limit else None

    def _count(self, begin: Millis, end: Millis) -> int:
        """Return the records written between the two; buckets at the ends count as a whole."""
        first, last = begin // _BUCKET_MS, end // _BUCKET_MS
        return sum(count for bucket, count in self._counts.items() if first <= bucket <= last)

    def _forget(self, clock: Millis) -> None:
        oldest = (clock - self._rules.mean_over) // _BUCKET_MS - 1
        if self._counts and min(self._counts) < oldest:
            self._counts = {bucket: count for bucket, count in self._counts.items() if bucket >= oldest}


class ReadabilityMonitor:
    """Judges whether a partition's records can be read: above a share of bad ones its silence means nothing.

    It looks at the last records, at least a hundred; once distrusted, a partition stays so until an operator releases
    it.
    """

    def __init__(self, max_bad_share: float, lost: bool = False) -> None:
        self._max_bad_share = max_bad_share
        self._good = 0.0
        self._bad = 0.0
        self.distrusted = lost

    def count(self, good: int, bad: int) -> None:
        """Count a batch of good and bad records."""
        self._good += good
        self._bad += bad
        total = self._good + self._bad
        if total >= _MIN_EXPECTED_RECORDS and self._bad > self._max_bad_share * total:
            self.distrusted = True
        if total > 10 * _MIN_EXPECTED_RECORDS:  # older records count less and less
            self._good, self._bad = self._good / 2, self._bad / 2

    def release(self) -> None:
        self._good = self._bad = 0.0
        self.distrusted = False
