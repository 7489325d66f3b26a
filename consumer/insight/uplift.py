"""What the reminders are worth: completions of those who were asked, against the holdout's.

By intention to treat: an episode counts where the last check said "send" or "holdout", whatever became of the message;
only the first episode of each user and process, and only once its horizon is over. The holdout is random, so the
difference is what the reminders brought.

Two intervals. The plain one (Newcombe's, of Wilson's) is right for one look; somebody who looks every day and stops at
the first good news is fooled by it. So the verdict uses a confidence sequence, which holds at all times together: the
asymptotic one of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (arXiv 2103.06476), for the augmented estimate of a
randomised difference, which needs nothing but the four counts.
"""

import math
from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist

from consumer.clock import DAY, Millis

MIN_AGE: Millis = 7 * DAY
"""No verdict is given earlier: the confidence sequence is right for large numbers only."""
MIN_EPISODES = 100
"""Nor with fewer episodes on either side."""
_TUNED_FOR = 10_000.0
"""The sum of variances for which the sequence is narrowest. Fixed beforehand, as the method requires."""
_ALPHA, _POWER = 0.05, 0.8


class Effect(Enum):
    """What may be said about the difference, however often one looks."""

    WORKS = "works"
    HARMS = "harms"
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True)
class Arm:
    """Episodes whose horizon is over, and how many of them completed within it."""

    episodes: int
    completed: int

    @property
    def share(self) -> float:
        return self.completed / self.episodes if self.episodes else 0.0

    @property
    def _variance(self) -> float:
        # One success and one failure more: without them, none or all would mean certainty.
        share = (self.completed + 1) / (self.episodes + 2)
        return share * (1 - share)


@dataclass(frozen=True, slots=True)
class Interval:
    """From `lower` to `upper`, as a difference of shares."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Uplift:
    """The difference of completed shares, asked minus holdout. The intervals are None while either arm is empty."""

    asked: Arm
    holdout: Arm
    difference: float
    interval: Interval | None
    sequence: Interval | None
    verdict: Effect


def uplift(asked: Arm, holdout: Arm, age: Millis) -> Uplift:
    """Compare the arms. `age` is how long ago the first episode was decided (ms)."""
    if not (asked.episodes and holdout.episodes):
        return Uplift(asked, holdout, 0.0, None, None, Effect.NOT_YET)
    difference = asked.share - holdout.share
    sequence = confidence_sequence(asked, holdout)
    enough = age >= MIN_AGE and min(asked.episodes, holdout.episodes) >= MIN_EPISODES
    verdict = Effect.NOT_YET
    if enough and sequence.lower > 0:
        verdict = Effect.WORKS
    elif enough and sequence.upper < 0:
        verdict = Effect.HARMS
    return Uplift(asked, holdout, difference, newcombe_interval(asked, holdout), sequence, verdict)


def newcombe_interval(asked: Arm, holdout: Arm) -> Interval:
    """Return Newcombe's 95 % interval of the difference, for one look. Both arms must have episodes."""
    difference = asked.share - holdout.share
    (low_a, high_a), (low_h, high_h) = _wilson(asked), _wilson(holdout)
    return Interval(
        difference - math.hypot(asked.share - low_a, high_h - holdout.share),
        difference + math.hypot(high_a - asked.share, holdout.share - low_h),
    )


def confidence_sequence(asked: Arm, holdout: Arm) -> Interval:
    """Return the 95 % interval of the difference that may be looked at every day. Both arms must have episodes."""
    number = asked.episodes + holdout.episodes
    share_asked = asked.episodes / number
    variance = asked._variance / share_asked + holdout._variance / (1 - share_asked)
    seen, rho2 = number * variance, _rho2()
    width = math.sqrt(2 * (seen * rho2 + 1) / rho2 * math.log(math.sqrt(seen * rho2 + 1) / _ALPHA)) / number
    difference = asked.share - holdout.share
    return Interval(difference - width, difference + width)


def people_needed(baseline: float, difference: float, holdout_share: float) -> int:
    """Return how many people both arms need together to find a difference (80 % power, 5 % error, one look).

    Raises ValueError where there is no such number: no difference, no holdout, or shares beyond 0 and 1.
    """
    if not 0 < holdout_share < 1 or not difference or not (0 < baseline < 1 and 0 < baseline + difference < 1):
        raise ValueError("the baseline, the baseline plus the difference, and the holdout must be between 0 and 1")
    normal = NormalDist()
    reach = normal.inv_cdf(1 - _ALPHA / 2) + normal.inv_cdf(_POWER)
    asked = baseline + difference
    variance = asked * (1 - asked) / (1 - holdout_share) + baseline * (1 - baseline) / holdout_share
    return math.ceil(reach**2 * variance / difference**2)


def _rho2() -> float:
    """Return the sequence's tuning parameter (the paper's rho squared) that is best at `_TUNED_FOR`."""
    return (-2 * math.log(_ALPHA) + math.log(-2 * math.log(_ALPHA) + 1)) / _TUNED_FOR


def _wilson(arm: Arm) -> tuple[float, float]:
    z2, n, share = NormalDist().inv_cdf(1 - _ALPHA / 2) ** 2, arm.episodes, arm.share
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return middle - reach, middle + reach
