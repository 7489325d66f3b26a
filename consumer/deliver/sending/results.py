"""Records what became of attempts: many at once, in one transaction with everything that follows from it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from consumer.clock import Millis, Now
from consumer.deliver.channel import breaker_updates
from consumer.deliver.channel.breaker_updates import AttemptOutcome
from consumer.deliver.lifecycle import AttemptAccepted, AttemptRefused, Event, OutcomeUnknown
from consumer.deliver.policy import retries
from consumer.deliver.policy.checks import CheckRules
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.recipients import holds, opt_outs
from consumer.deliver.tracking import reconciliation, status_reports
from consumer.deliver.unit_of_work import Key, UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.backoff import wait
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Remedy, Unknown

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What came of one attempt."""

    key: Key
    number: int
    started_at: Millis
    outcome: Outcome


class ResultRecorder:
    """`record` blocks its thread and returns when everything is durable."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        rules: CheckRules,
        max_attempts: int,
        metrics: DeliverMetrics,
        now: Now,
        reports: bool = True,
    ) -> None:
        """Without `reports` nothing more is ever heard of what was accepted, and that is its last record."""
        self._reported = reports
        self._ledger = ledger
        self._limits = RetryPolicy(rules=rules, max_attempts=max_attempts)
        self._metrics = metrics
        self._now = now

    def record(self, answers: Sequence[AttemptResult]) -> None:
        """The attempts' ends, their reminders' next statuses, reports that were early, the channel, opt-outs."""
        with unit_of_work(self._ledger, self._metrics, self._now()) as work:
            work.lock([answer.key for answer in answers])
            for answer in answers:
                self._tell(work, answer)
            queries.attempts.record_outcomes(work.connection, [_end(answer, work.now) for answer in answers])
            accepted = [a.outcome.message_id for a in answers if isinstance(a.outcome, Accepted)]
            status_reports.apply_parked(work, accepted, self._limits)
            reconciliation.settle(work, _without_answer(work, answers), self._limits)
            _keep_verdicts(work, answers)
            breaker_updates.update_breakers(work, _tried(work, answers))
            _hold_pace(work, answers)
        counted = Counter((_label(a.outcome), getattr(a.outcome, "reason", "")) for a in answers)
        for (outcome, reason), number in counted.items():
            self._metrics.sends.labels(outcome, reason).inc(number)

    def _tell(self, work: UnitOfWork, answer: AttemptResult) -> None:
        row = work.get(answer.key)
        if row is None or row.attempts != answer.number:
            log.error("answer_without_attempt", reminder=answer.key[0], attempt=answer.number)
            return
        if isinstance(answer.outcome, Rejected | NotTransmitted) and retries.counts(answer.outcome):
            row = row._replace(refusals=row.refusals + 1)
            work.update(row)
        work.apply_event(answer.key, self._event(row, answer.outcome, work.now))

    def _event(self, row: ReminderRow, outcome: Outcome, now: Millis) -> Event:
        match outcome:
            case Accepted(message_id=message_id):
                return AttemptAccepted(message_id, last=not self._reported)
            case Unknown(reason=reason):
                return OutcomeUnknown(reason)
            case Rejected() | NotTransmitted():
                then = self._limits.after(outcome, row, now)
                return AttemptRefused(
                    outcome.reason, then, outcome.error_code if isinstance(outcome, Rejected) else None
                )


def _without_answer(work: UnitOfWork, answers: Sequence[AttemptResult]) -> set[str]:
    """Numbers (digits) to which something may have gone; it may have been seen already."""
    rows = (work.get(answer.key) for answer in answers if isinstance(answer.outcome, Unknown))
    return {row.phone for row in rows if row is not None and row.phone is not None}


def _keep_verdicts(work: UnitOfWork, answers: Sequence[AttemptResult]) -> None:
    """Whoever asked for no more, and whoever cannot be reached or not now."""
    for answer in answers:
        row, outcome = work.get(answer.key), answer.outcome
        if row is None or not isinstance(outcome, Rejected):
            continue
        holds.keep(work, row, outcome)
        if outcome.remedy is Remedy.OPT_OUT:
            opt_outs.keep(work, row, outcome.reason, work.now)


def _tried(work: UnitOfWork, answers: Sequence[AttemptResult]) -> list[AttemptOutcome]:
    rows = ((work.get(answer.key), answer) for answer in answers)
    return [AttemptOutcome(row, answer.started_at, answer.outcome) for row, answer in rows if row is not None]


def _hold_pace(work: UnitOfWork, answers: Sequence[AttemptResult]) -> None:
    """Where the channel says that we are too fast, no replica sends for a while."""
    for medium in sorted({answer.key[1] for answer in answers}):
        span = max(hold_for(answer.outcome) for answer in answers if answer.key[1] == medium)
        if span:
            queries.channels.hold_rate_until(work.connection, medium, work.now + span)


def hold_for(outcome: Outcome) -> Millis:
    """How long the whole channel is to be left alone after this answer."""
    if isinstance(outcome, Rejected) and outcome.remedy is Remedy.SLOW:
        return wait(Remedy.SLOW, 1, outcome.retry_after)
    return 0


def _end(answer: AttemptResult, now: Millis) -> dict[str, Any]:
    outcome = answer.outcome
    return {
        "key": answer.key,
        "number": answer.number,
        "finished_at": now,
        "outcome": _label(outcome),
        "may_have_gone": isinstance(outcome, Accepted | Unknown),
        "reason": getattr(outcome, "reason", None),
        "error_code": getattr(outcome, "error_code", None),
        "error": getattr(outcome, "error", None),
        "message_id": getattr(outcome, "message_id", None),
    }


def _label(outcome: Outcome) -> str:
    match outcome:
        case Accepted():
            return "accepted"
        case Rejected():
            return "rejected"
        case NotTransmitted():
            return "not_transmitted"
        case Unknown():
            return "unknown"
