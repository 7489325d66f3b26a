"""Keeps the streaks of unexplained failures over the transactions, apart for answers and for later reports.

There is one for a medium's whole channel and one for each template on it, as with the circuit breakers: a template that
nobody can be sent is not hidden by another one that works.
"""

import json
from collections.abc import Sequence
from enum import StrEnum

import structlog

from consumer.clock import Millis
from consumer.deliver.channel.circuit_breaker import template_key
from consumer.deliver.policy.failure_pattern import (
    REPEATED_FAILURE,
    Streak,
    after_failure,
    after_success,
    as_repeated,
    is_unexplained,
)
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.channels import FailureStreak
from consumer.ledger.schema.rows import ReminderRow
from consumer.onemsg.outcomes import Rejected

log = structlog.get_logger()


class ToldBy(StrEnum):
    """How a failure was told."""

    ANSWER = "answer"
    REPORT = "report"


class FailureStreaks:
    """The streaks of one transaction; `save` writes those that changed."""

    def __init__(self, work: UnitOfWork, told_by: ToldBy) -> None:
        self._work = work
        self._told_by = told_by
        self._media: set[str] = set()
        """Those whose streaks have been read."""
        self._before: dict[str, Streak] = {}
        """By name of the breaker."""
        self._streaks: dict[str, Streak | None] = {}

    def judge(self, refusal: Rejected, row: ReminderRow, person: str, started_at: Millis, *, ends: bool) -> Rejected:
        """Return what a refusal of this reminder counts as: several people in a row are a matter of the channel.

        `person` is any name of the recipient; `ends`: the reminder would not be tried again.
        """
        if not is_unexplained(refusal, ends=ends):
            return refusal
        self._read(row.medium)
        breakers, repeated = queries.channels.states(self._work.connection, row.medium), list[Rejected]()
        for name in _breakers_of(row):
            streak = self._streaks[name] = after_failure(self._streaks.get(name), refusal, person, started_at)
            is_probe = name in breakers and breakers[name].stopped_because == REPEATED_FAILURE  # or left before it
            if is_probe or streak.is_pattern:
                repeated.append(as_repeated(refusal, streak, template=name != row.medium))
        return repeated[0] if repeated else refusal

    def pass_through(self, row: ReminderRow, started_at: Millis) -> None:
        """Note that a message of this reminder went through whose attempt began then."""
        self._read(row.medium)
        for name in _breakers_of(row):
            self._streaks[name] = after_success(self._streaks.get(name), started_at)

    def save(self) -> None:
        for name, streak in self._streaks.items():
            if streak == self._before.get(name):
                continue
            if streak is None:
                queries.channels.delete_failure_streak(self._work.connection, name, self._told_by)
            else:
                people, errors = json.dumps(streak.people), json.dumps(streak.errors)
                row = FailureStreak(name, self._told_by, people, errors, streak.since)
                queries.channels.put_failure_streak(self._work.connection, row)

    def _read(self, medium: str) -> None:
        if medium not in self._media:
            self._media.add(medium)
            for row in queries.channels.lock_failure_streaks(self._work.connection, medium, self._told_by):
                try:
                    found = Streak(tuple(json.loads(row.people)), tuple(json.loads(row.errors)), row.since)
                except (ValueError, TypeError):  # another version's: it begins anew
                    log.error("failure_streak_unreadable", breaker=row.breaker)
                    continue
                self._before[row.breaker] = self._streaks[row.breaker] = found


def _breakers_of(row: ReminderRow) -> Sequence[str]:
    """Return the names of the breakers that a failure of this reminder may open, the channel's first."""
    if row.template is None:
        return (row.medium,)
    return row.medium, template_key(row.medium, row.template, row.language)
