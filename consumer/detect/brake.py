"""The brake: when silence is more likely a broken pipe than thousands of clients who all went quiet.

It judges the input by the time its records were written, not by when they were read, so catching up with a backlog
looks like the days it is made of. While it is engaged no lapse is asked for; it lets go by itself when the input is
known to be normal again, or when an operator releases it. Pure: the clock comes in as an argument.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from consumer.clock import MINUTE, SECOND, Millis
from consumer.detect.lapse_rules import Times

_BUCKET: Millis = 5 * SECOND
_JUDGED_FROM = 100
"""Records that the recent mean lets expect in a window, for their absence to mean anything."""
_NEAR = 10_000
"""Buckets: the span of a batch for which an array of counts is cheaper than sorting."""
_HISTORY = 5
"""Windows of history before there is a recent mean."""


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
    """What must outlive a restart, and go with a partition to another process.

    `distrusted`: its records cannot be read, so its clock stands. `held` and `released` are reasons of the brake.
    """

    distrusted: bool = False
    held: str | None = None
    released: str | None = None


NO_BRAKE_STATE = BrakeState()


class Brake:
    """One for all partitions of a process."""

    def __init__(self, rules: BrakeRules) -> None:
        self._rules = rules
        self._heard: dict[int, int] = {}
        """Records by the bucket of time in which they were written."""
        self._since: Millis | None = None
        self._lapsed: deque[tuple[Millis, int]] = deque()
        self._standing: str | None = None
        """The last that was said against the input, until it is known to be normal: not knowing is no pardon."""
        self.released: str | None = None
        """The reason that holds nothing back, by an operator's word, until it has passed."""
        self.engaged: str | None = None
        """Why lapses are held back: below_floor, below_mean, lapse_storm; None while they are not."""

    def reset(self, *taken_over: BrakeState) -> None:
        """Other partitions, other volume: what was heard before says nothing about them.

        What was said against the input stands, here or where the partitions `taken_over` come from.
        """
        self._heard.clear()
        self._since = None
        for verdicts in taken_over:
            self.released = self.released or verdicts.released
            self._standing = self._standing or verdicts.held or verdicts.released
        if self._standing and self._standing != self.released:
            self.engaged = self._standing

    def observe(self, written_at: Times) -> None:
        """Note records by the times (ms) at which they were written."""
        if not written_at.size:
            return
        places = written_at // _BUCKET
        first = int(places.min())
        if places.max() - first < _NEAR:
            counted = np.bincount(places - first)
            found = np.flatnonzero(counted)
            pairs = zip((found + first).tolist(), counted[found].tolist(), strict=True)
        else:
            buckets, counts = np.unique(places, return_counts=True)
            pairs = zip(buckets.tolist(), counts.tolist(), strict=True)
        for bucket, count in pairs:
            self._heard[bucket] = self._heard.get(bucket, 0) + count

    def judge(self, clock: Millis, due: int) -> str | None:
        """Whether lapses are to be held back at this moment, and why. `due` is how many wait to be asked for.

        `clock` is up to when everything has been heard.
        """
        if self._since is None:
            self._since = min([clock, *(bucket * _BUCKET for bucket in self._heard)])
        self._forget(clock)
        low = self._low_input(clock)
        if low is not None or self._can_tell(clock):
            self._standing = low
        reason = self._standing or self._storm(clock, due)
        if reason != self.released:
            self.released = None
        self.engaged = None if reason == self.released else reason
        return self.engaged

    def count_asked(self, clock: Millis, count: int) -> None:
        """So many lapses were asked for."""
        if count and self._rules.lapse_limit is not None:
            self._lapsed.append((clock, count))

    def release(self) -> str | None:
        """An operator says that this is meant: the present reason holds nothing back until it has passed.

        Returns the reason that was released.
        """
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
        if rules.share_of_mean is not None and expected >= _JUDGED_FROM and recent < rules.share_of_mean * expected:
            return "below_mean"
        return None

    def _can_tell(self, clock: Millis) -> bool:
        """Whether input that nothing is said against is normal, and not just unknown."""
        if self._standing == "below_mean" and self._rules.share_of_mean is not None:
            return self._expected(clock) >= _JUDGED_FROM
        return self._known(clock) >= self._rules.window

    def _expected(self, clock: Millis) -> float:
        """Records in a window by the recent mean; 0 while there is none."""
        window, known = self._rules.window, self._known(clock)
        if known < _HISTORY * window:
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
        """Records written between the two, to the bucket: those that an end cuts count whole."""
        first, last = begin // _BUCKET, end // _BUCKET
        return sum(count for bucket, count in self._heard.items() if first <= bucket <= last)

    def _forget(self, clock: Millis) -> None:
        oldest = (clock - self._rules.mean_over) // _BUCKET - 1
        if self._heard and min(self._heard) < oldest:
            self._heard = {bucket: count for bucket, count in self._heard.items() if bucket >= oldest}


class ReadabilityMonitor:
    """Whether a partition's records can be read: past a share of bad ones, silence means nothing.

    Judged over the last records, at least a hundred; once lost, trust is only given back by an operator.
    """

    def __init__(self, most_bad: float, lost: bool = False) -> None:
        self._most_bad = most_bad
        self._good = 0.0
        self._bad = 0.0
        self.distrusted = lost

    def count(self, good: int, bad: int) -> None:
        """A batch had so many of each."""
        self._good += good
        self._bad += bad
        total = self._good + self._bad
        if total >= _JUDGED_FROM and self._bad > self._most_bad * total:
            self.distrusted = True
        if total > 10 * _JUDGED_FROM:  # what was long ago fades
            self._good, self._bad = self._good / 2, self._bad / 2

    def release(self) -> None:
        self._good = self._bad = 0.0
        self.distrusted = False
