"""Keeps the streak of one unexplained failure over the transactions, apart for answers and for later reports."""

import json
from enum import StrEnum

from consumer.clock import Millis
from consumer.deliver.policy.failure_pattern import (
    REPEATED_FAILURE,
    Streak,
    after_failure,
    after_success,
    pattern_of,
)
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.channels import FailureStreak
from consumer.onemsg.outcomes import Rejected


class ToldBy(StrEnum):
    """How a failure was told."""

    ANSWER = "answer"
    REPORT = "report"


class FailureStreaks:
    """The streaks of one transaction; `save` writes those that changed."""

    def __init__(self, work: UnitOfWork, told_by: ToldBy) -> None:
        self._work = work
        self._told_by = told_by
        self._before: dict[str, Streak | None] = {}
        self._streaks: dict[str, Streak | None] = {}

    def judge(self, refusal: Rejected, medium: str, user_id: str, started_at: Millis) -> Rejected:
        """Return what a refusal counts as: one that several people met in a row is about the channel."""
        if pattern_of(refusal, medium) is None:
            return refusal
        breaker = queries.channels.states(self._work.connection, medium)[medium]
        stopped = breaker.stopped_because == REPEATED_FAILURE
        streak = self._streak(medium)
        self._streaks[medium], judged = after_failure(streak, refusal, medium, user_id, started_at, stopped=stopped)
        return judged

    def pass_through(self, medium: str, started_at: Millis) -> None:
        """Note that a message went through whose attempt began then."""
        self._streaks[medium] = after_success(self._streak(medium), started_at)

    def save(self) -> None:
        for medium, streak in self._streaks.items():
            if streak == self._before[medium]:
                continue
            if streak is None:
                queries.channels.delete_failure_streak(self._work.connection, medium, self._told_by)
            else:
                row = FailureStreak(medium, self._told_by, streak.pattern, json.dumps(streak.users), streak.since)
                queries.channels.put_failure_streak(self._work.connection, row)

    def _streak(self, medium: str) -> Streak | None:
        if medium not in self._before:
            row = queries.channels.lock_failure_streak(self._work.connection, medium, self._told_by)
            found = None if row is None else Streak(row.pattern, tuple(json.loads(row.users)), row.since)
            self._before[medium] = self._streaks[medium] = found
        return self._streaks[medium]
