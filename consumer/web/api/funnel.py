"""`GET /api/funnel` and `GET /api/people`: what became of the reminders of a time, and who is behind a count."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from consumer.clock import DAY, Clock, Millis
from consumer.insight.report import ReasonCount, Step, reasons_of, steps_of
from consumer.ledger import queries
from consumer.ledger.queries.reporting.people import EpisodePerson, EpisodeSelection
from consumer.ledger.queries.reporting.report import FailureCount, FunnelCount
from consumer.ledger.store import Ledger
from consumer.web.api.operation import Question, Text, Whole

DEFAULT_SPAN: Millis = 7 * DAY
MAX_PEOPLE = 200
_MAX_DAY = 100_000
Moment = Annotated[int, Field(ge=0, le=_MAX_DAY * DAY), Whole]


class FunnelQuestion(Question):
    """Reminders requested from `since` until before `until`; by default those of the last 7 days."""

    since: Moment | None = None
    until: Moment | None = None
    process: Text | None = None
    medium: Text | None = None


class PeopleQuestion(Question):
    """Silences that were noticed on a day (days since 1970, UTC), or in the last 7, not written to for a reason."""

    day: Annotated[int, Field(ge=0, le=_MAX_DAY)] | None = None
    process: Text | None = None
    reason: Text | None = None


@dataclass(frozen=True, slots=True)
class StatusCount:
    """The number of reminders of a medium that have this status for this reason."""

    medium: str
    status: str
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """Steps and statuses are of reminders, reasons of episodes."""

    since: Millis
    until: Millis
    steps: Sequence[Step]
    statuses: Sequence[StatusCount]
    reasons: Sequence[ReasonCount]
    failures: Sequence[FailureCount]


@dataclass(frozen=True, slots=True)
class People:
    """The latest first; `more`: there are more than these."""

    since: Millis
    until: Millis
    people: Sequence[EpisodePerson]
    more: bool


class FunnelView:
    """Counts, and finds people. Blocks its thread."""

    def __init__(self, clock: Clock, ledger: Ledger) -> None:
        self._clock = clock
        self._ledger = ledger

    def read(self, asked: FunnelQuestion) -> Funnel:
        until = self._clock.now() + 1 if asked.until is None else asked.until
        since = max(0, until - DEFAULT_SPAN) if asked.since is None else asked.since
        with self._ledger.reading() as connection:
            report = queries.reporting.report
            counts = report.funnel(connection, since, until, asked.process)
            if asked.medium is not None:
                counts = [each for each in counts if each.medium == asked.medium]
            return Funnel(
                since,
                until,
                steps_of(counts),
                _by_status(counts),
                reasons_of(queries.episodes.counts(connection, since, until, asked.process)),
                report.failures(connection, since, until, asked.process),
            )

    def people(self, asked: PeopleQuestion) -> People:
        now = self._clock.now()
        since = max(0, now - DEFAULT_SPAN) if asked.day is None else asked.day * DAY
        until = now + 1 if asked.day is None else since + DAY
        which = EpisodeSelection(since=since, until=until, process=asked.process, reason=asked.reason)
        with self._ledger.reading() as connection:
            found = queries.reporting.people.with_decision(connection, which, MAX_PEOPLE + 1)
        return People(since, until, found[:MAX_PEOPLE], len(found) > MAX_PEOPLE)


def _by_status(counts: Sequence[FunnelCount]) -> list[StatusCount]:
    totals: Counter[tuple[str, str, str | None]] = Counter()
    for each in counts:
        totals[each.medium, each.status, each.reason] += each.count
    return [StatusCount(*key, count) for key, count in totals.most_common()]
