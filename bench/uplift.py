"""Simulates a holdout many times and asks the code that ships: how often the plain interval covers the truth, and how
often somebody who looks every day is told of a difference where there is none.

    python -m bench.uplift --runs 2000
"""

import argparse

import numpy as np

from consumer.clock import DAY
from consumer.insight.uplift import MIN_AGE, Arm, Effect, uplift

_DAYS = 60


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=2_000)
    runs = arguments.parse_args().runs
    print("people/day  holdout  without  with   covered  alarms: plain  sequence  sequence/plain")
    for people, holdout, without, asked in (
        (500, 0.1, 0.2, 0.2),
        (50, 0.1, 0.2, 0.2),
        (5_000, 0.1, 0.2, 0.2),
        (500, 0.1, 0.02, 0.02),
        (200, 0.5, 0.2, 0.2),
        (500, 0.1, 0.2, 0.22),
    ):
        covered, plain, sequence, wider = _simulate(runs, people, holdout, without, asked)
        alarms = f"{plain:13.1%}  {sequence:8.1%}" if asked == without else f"{'-':>13}  found {sequence:.0%}"
        print(f"{people:10}  {holdout:7}  {without:7}  {asked:4}  {covered:8.1%}  {alarms}  {wider:14.2f}")


def _simulate(
    runs: int, people: int, holdout: float, without: float, asked: float
) -> tuple[float, float, float, float]:
    """Return the share of runs in which the interval covers the truth at the end, those in which the plain interval and
    the verdict named a difference on any day, and how much wider the sequence is at the end."""
    rng = np.random.default_rng(people)
    covered = plain = named = 0
    wider = 0.0
    for _ in range(runs):
        held = rng.binomial(people, holdout, _DAYS)
        with_reminder = _arms(people - held, asked, rng)
        without_any = _arms(held, without, rng)
        looks = [
            uplift(with_reminder[day], without_any[day], (day + 1) * DAY) for day in range(MIN_AGE // DAY - 1, _DAYS)
        ]
        last = looks[-1]
        assert last.interval is not None
        assert last.sequence is not None
        covered += last.interval.lower <= asked - without <= last.interval.upper
        plain += any(look.interval and (look.interval.lower > 0 or look.interval.upper < 0) for look in looks)
        named += any(look.verdict is not Effect.NOT_YET for look in looks)
        wider += (last.sequence.upper - last.sequence.lower) / (last.interval.upper - last.interval.lower)
    return covered / runs, plain / runs, named / runs, wider / runs


def _arms(people: np.ndarray, share: float, rng: np.random.Generator) -> list[Arm]:
    """Return the arm as it stands at the end of each day; `people` are those of each day."""
    completed = rng.binomial(people, share)
    return [Arm(int(n), int(done)) for n, done in zip(np.cumsum(people), np.cumsum(completed), strict=True)]


if __name__ == "__main__":
    main()
