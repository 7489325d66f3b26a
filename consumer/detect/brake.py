"""The brake: holds lapses back while silence is more likely a broken input than thousands of clients gone quiet.

It judges the volume of the input (`volume.py`) and the skew of its times (`input_quality.py`). While it is engaged no
lapse is asked for. It disengages when the input is known to be normal again, or when an operator releases it. Pure: the
time is an argument.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from consumer.clock import MINUTE, SECOND, Millis
from consumer.detect.volume import Volume

REASONS = frozenset({"below_floor", "below_mean", "clock_skew", "lapse_storm", "warming_up"})
"""Why lapses are held back."""
_MIN_EXPECTED_RECORDS = 100
"""Records that must be expected in a window, by the recent mean, before their absence means anything."""
_MIN_HISTORY_WINDOWS = 6
"""Windows that a mean needs, with the one that is held against it."""
_WIDENINGS = (1, 2, 4, 8, 16, 32, 64)
"""Sparse input is judged over so many windows, the fewest in which enough records are expected."""
_LONGEST_BACKLOG_WINDOWS = 360


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeRules:
    """`floor` is in records a second, `lapse_limit` in lapses a minute; None switches a rule off.

    Over the last `window` the input must not fall under `floor`, nor under `share_of_mean` of its own mean over
    the last `mean_over`. Until there is a mean, lapses wait, but not for longer than `warm_up`.
    """

    floor: float | None = None
    share_of_mean: float | None = 0.1
    window: Millis = MINUTE
    mean_over: Millis = 60 * MINUTE
    warm_up: Millis = 60 * MINUTE
    lapse_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeState:
    """What is stored with a partition, to outlive restarts and to move with it to another process.

    `distrusted`: too many of its records cannot be read, so its watermark stands still. `tolerated`: the share of
    unreadable ones that an operator's release allows; 0 without one. `skewed`: most of its events
    have times far from their records'. `held` and `released` are reasons of the brake. `mean_before` is the mean input,
    in records a window, that it fell under.
    """

    distrusted: bool = False
    tolerated: float = 0.0
    skewed: bool = False
    held: str | None = None
    released: str | None = None
    mean_before: float | None = None


NO_BRAKE_STATE = BrakeState()


class Brake:
    """Judges the input of all partitions of one process together."""

    def __init__(self, rules: BrakeRules) -> None:
        self._rules = rules
        self._judged_at: Millis | None = None
        self._asked: deque[tuple[Millis, int]] = deque()
        self._objection: str | None = None
        """The last reason found against the volume, until it is known to be normal."""
        self.mean_before: float | None = None
        """The mean of the input before it fell below it, in records a window, until it is known to be normal."""
        self.released: str | None = None
        """The reason that an operator released: it holds nothing back until it has passed."""
        self.engaged: str | None = "warming_up"
        """Why lapses are held back: below_floor, below_mean, clock_skew, lapse_storm, warming_up; None if they are not.

        warming_up: the input has not been observed for long enough, or not in all partitions yet, to be judged.
        """

    def take_over(self, states: Collection[BrakeState], watermark: Millis | None) -> None:
        """Continue with other partitions. Reasons found before stay: those of this process and those of `states`.

        `watermark` is up to when their input has been judged.
        """
        for state in states:
            self.released = self.released or state.released
            self._objection = self._objection or state.held or state.released
            self.mean_before = max(self.mean_before or 0, state.mean_before or 0) or None
        self._judged_at = watermark
        self.engaged = self._unless_released(self._objection or "warming_up")

    def judge(self, volumes: Sequence[Volume], clock: Millis, *, skewed: bool = False, due: int = 0) -> str | None:
        """Return the reason to hold lapses back now, or None.

        `clock` is up to when all records counted in `volumes` have been read; `due` is the number of lapses waiting.
        What lies between the last judgement and this one is judged window by window.
        """
        for volume in volumes:
            volume.start(clock)
        window, begin = self._rules.window, self._judged_at
        if begin is None:
            begin = max((volume.since or clock for volume in volumes), default=clock)
        begin = max(begin, clock - _LONGEST_BACKLOG_WINDOWS * window)
        for at in (*range(begin + window, clock, window), clock):
            seen = _Input(volumes, at, self._rules)
            self._judge_volume(seen)
        self._judged_at = clock
        reason = self._objection or ("clock_skew" if skewed else None) or self._storm(clock, due)
        self.engaged = self._unless_released(reason or (None if seen.is_known() else "warming_up"))
        return self.engaged

    def count_asked(self, clock: Millis, count: int) -> None:
        """Note that `count` lapses were asked for."""
        if count and self._rules.lapse_limit is not None:
            self._asked.append((clock, count))

    def release(self) -> str | None:
        """Release the present reason: it holds nothing back until it has passed. Returns that reason."""
        if self.engaged is not None:
            self.released, self.engaged = self.engaged, None
        return self.released

    def _unless_released(self, reason: str | None) -> str | None:
        if reason == self.released:
            return None
        self.released = None
        return reason

    def _judge_volume(self, seen: "_Input") -> None:
        low = seen.low()
        if low == "below_mean" and self._objection != low:
            self.mean_before = seen.mean()
        if low is not None or seen.is_normal(self._objection, self.mean_before):
            self._objection = low
        if self._objection is None:
            self.mean_before = None

    def _storm(self, clock: Millis, due: int) -> str | None:
        while self._asked and self._asked[0][0] <= clock - MINUTE:
            self._asked.popleft()
        limit = self._rules.lapse_limit
        asked = sum(count for _, count in self._asked)
        return "lapse_storm" if limit is not None and asked + due > limit else None


class _Input:
    """The volume of some partitions as of one time."""

    def __init__(self, volumes: Sequence[Volume], at: Millis, rules: BrakeRules) -> None:
        self._volumes = volumes
        self._at = at
        self._rules = rules
        self._known = at - max((volume.since for volume in volumes if volume.since is not None), default=at)
        self._expected: tuple[Millis, float] | None = None

    def low(self) -> str | None:
        """Return the reason why the volume is too low, or None."""
        rules, window = self._rules, self._rules.window
        if rules.floor is not None and self._known >= window and self._recent(window) < rules.floor * window / SECOND:
            return "below_floor"
        span, expected = self._expect()
        if rules.share_of_mean is not None and span and self._recent(span) < rules.share_of_mean * expected:
            return "below_mean"
        return None

    def mean(self) -> float:
        """Return the mean that the volume is judged by, in records a window."""
        span, expected = self._expect()
        return expected * self._rules.window / span

    def is_normal(self, objection: str | None, mean_before: float | None) -> bool:
        """Return whether the volume is known to be normal if it is not low.

        After a long outage there may be no mean any more; then it is the one of before that counts.
        """
        if objection == "below_mean" and self._rules.share_of_mean is not None:
            return self._expect()[0] > 0 or (mean_before is not None and self._reaches(mean_before))
        return self._known >= self._rules.window

    def _reaches(self, mean: float) -> bool:
        windows = next((windows for windows in _WIDENINGS if windows * mean >= _MIN_EXPECTED_RECORDS), _WIDENINGS[-1])
        return self._recent(windows * self._rules.window) >= (self._rules.share_of_mean or 0) * windows * mean

    def is_known(self) -> bool:
        """Return whether the input was observed for long enough to be judged, or for too long to wait for more."""
        rules = self._rules
        if rules.share_of_mean is not None:
            return self._known >= rules.warm_up or self._expect()[0] > 0
        return rules.floor is None or self._known >= rules.window

    def _expect(self) -> tuple[Millis, float]:
        """Return the shortest span in which enough records are expected, and how many; (0, 0) if there is none."""
        if self._expected is None:
            self._expected = self._find_expected()
        return self._expected

    def _find_expected(self) -> tuple[Millis, float]:
        for windows in _WIDENINGS:
            span = windows * self._rules.window
            if self._known < _MIN_HISTORY_WINDOWS * span:
                break
            before = min(self._known, max(self._rules.mean_over, _MIN_HISTORY_WINDOWS * span)) - span
            expected = self._count(self._at - span - before, self._at - span) * span / before
            if expected >= _MIN_EXPECTED_RECORDS:
                return span, expected
        return 0, 0.0

    def _recent(self, span: Millis) -> int:
        return self._count(self._at - span, self._at)

    def _count(self, begin: Millis, end: Millis) -> int:
        return sum(volume.count(begin, end) for volume in self._volumes)
