"""How long people stay away, and how many come back by themselves: Kaplan-Meier over counted gaps.

A gap lasts from an activity of a user in a process until the next activity or ending. It is *ended* where the person
came back, and *censored* where nobody knows: at the end of the history, where the key was forgotten, and at the moment
a message went out. Read as if nothing had been sent, a message's returns would count as the person's own.

Gaps are counted in logarithmic bins, so that any number of them takes one pass and a fixed amount of memory. One user
gives many gaps that resemble each other, so the bands come from leaving out one group of users after the other (a
delete-a-group jackknife), not from a formula for independent gaps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from consumer.clock import DAY, SECOND, Millis

Counts: TypeAlias = npt.NDArray[np.int64]
Shares: TypeAlias = npt.NDArray[np.float64]

GROUPS = 100
"""Groups of users, by a hash of their id."""
BINS = 2_000
SHORTEST, LONGEST = SECOND, 90 * DAY
MIN_AT_RISK = 100
"""Where fewer people are still away, nothing is said."""

_EDGES = np.concatenate(([0.0], np.geomspace(SHORTEST, LONGEST, BINS)))
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share, and its 95 % band."""

    value: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.value:.0%} ({self.lower:.0%}–{self.upper:.0%})"


class GapCounts:
    """The number of gaps by group, bin and kind, and of people by their longest gap; add in any order and batches."""

    def __init__(self) -> None:
        self.ended: Counts = np.zeros((GROUPS, BINS + 1), np.int64)
        self.censored: Counts = np.zeros((GROUPS, BINS + 1), np.int64)
        self.people: Counts = np.zeros(BINS + 1, np.int64)

    def add(self, lengths: npt.NDArray[np.int64], ended: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64]) -> None:
        """Add some gaps: their lengths (ms), whether each ended with a return, and the group of each user."""
        first, bins = int(groups.min()), _bins_of(lengths)
        cells = (groups - first) * (BINS + 1) + bins
        for counts, chosen in ((self.ended, ended), (self.censored, ~ended)):
            some = counts[first : int(groups.max()) + 1]  # of a few groups at a time, the others are not looked at
            some += np.bincount(cells[chosen], minlength=some.size).reshape(some.shape)

    def add_people(self, longest: npt.NDArray[np.int64]) -> None:
        """Add people, each once: their longest gaps (ms)."""
        self.people += np.bincount(_bins_of(longest), minlength=BINS + 1)

    @property
    def total(self) -> int:
        return int(self.ended.sum() + self.censored.sum())


class ReturnCurve:
    """The share of people still away after a time, for gaps up to `LONGEST`."""

    def __init__(self, counts: GapCounts) -> None:
        ended, censored = counts.ended.sum(axis=0), counts.censored.sum(axis=0)
        self.at_risk: Counts = _at_risk(ended, censored)
        """By bin: gaps that had not ended or been censored when the bin began."""
        self._people: Counts = np.cumsum(counts.people[::-1])[::-1]
        self._gaps = counts.total
        self._away = _still_away(ended, self.at_risk)
        others_ended, others_censored = ended - counts.ended, censored - counts.censored
        self._away_without = _still_away(others_ended, _at_risk(others_ended, others_censored))

    def still_away(self, after: Millis) -> Estimate | None:
        """Return the share still away after this time; None where too few people are left to say it."""
        if self.people_left(after) < MIN_AT_RISK:
            return None
        return _estimate(_at(self._away, after), _at(self._away_without, after))

    def returns_within(self, quiet: Millis, horizon: Millis) -> Estimate | None:
        """Return which share of those quiet for `quiet` come back by themselves within `horizon` (ms).

        None where too few people are left at the end of the horizon to say it.
        """
        end = quiet + horizon
        if self.people_left(end) < MIN_AT_RISK:
            return None
        back = 1 - _at(self._away, end) / _at(self._away, quiet)
        return _estimate(back, 1 - _at(self._away_without, end) / _at(self._away_without, quiet))

    def people_left(self, after: Millis) -> int:
        """Return how many people are known to have been away for longer than this; 0 beyond `LONGEST`."""
        place = _bin_of(after)
        return int(self._people[place + 1]) if place + 1 < self._people.size else 0

    def gaps_longer_than(self, after: Millis) -> float | None:
        """Return how many of the gaps would last longer than this without a message; None where too few people are
        left to say it."""
        away = self.still_away(after)
        return None if away is None else self._gaps * away.value

    def rows(self) -> list[tuple[float, float, float, float, int]]:
        """Return the curve as rows: seconds, the share still away, its band, people at risk. Bins without change are
        left out, and those where too few people are at risk."""
        changes = np.flatnonzero(np.diff(self._away, prepend=1.0))
        lower, upper = _band(self._away, self._away_without)
        return [
            (_EDGES[at + 1] / SECOND, float(self._away[at]), float(lower[at]), float(upper[at]), int(self._people[at]))
            for at in changes
            if at < BINS and self._people[at] >= MIN_AT_RISK
        ]


def groups_of(user_hashes: Sequence[int] | npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the group of each user from a hash of the id."""
    return (np.asarray(user_hashes, np.uint64) % np.uint64(GROUPS)).astype(np.int64)


def _bins_of(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.clip(np.searchsorted(_EDGES, lengths, side="right") - 1, 0, BINS)


def _bin_of(after: Millis) -> int:
    return int(np.searchsorted(_EDGES, after, side="right")) - 1


def _at(away: Shares, after: Millis) -> Shares:
    """Return the share still away at a moment within a bin, as if people left evenly during it."""
    place = _bin_of(after)
    begin = away[..., place - 1] if place else np.ones(away.shape[:-1])
    passed = (after - _EDGES[place]) / (_EDGES[place + 1] - _EDGES[place])
    share: Shares = begin * np.where(begin > 0, away[..., place] / np.where(begin > 0, begin, 1), 0) ** passed
    return share


def _at_risk(ended: Counts, censored: Counts) -> Counts:
    leaving = ended + censored
    remaining: Counts = np.cumsum(leaving[..., ::-1], axis=-1)[..., ::-1]
    return remaining


def _still_away(ended: Counts, at_risk: Counts) -> Shares:
    with np.errstate(invalid="ignore"):
        hazard = np.where(at_risk > 0, ended / np.maximum(at_risk, 1), 0.0)
    away: Shares = np.cumprod(1 - hazard, axis=-1)
    return away


def _band(value: Shares, without: Shares) -> tuple[Shares, Shares]:
    groups = without.shape[0]
    spread = np.sqrt((groups - 1) / groups * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return np.clip(value - _Z * spread, 0, 1), np.clip(value + _Z * spread, 0, 1)


def _estimate(value: Shares, without: Shares) -> Estimate:
    lower, upper = _band(value, without)
    return Estimate(float(value), float(lower), float(upper))
