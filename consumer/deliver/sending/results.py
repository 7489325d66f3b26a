"""Records what became of attempts: many at once, in one transaction with everything that follows from it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from consumer.clock import Millis, Now
from consumer.deliver.channel import breaker_updates
from consumer.deliver.channel.breaker_updates import Tried
from consumer.deliver.lifecycle import Event, Lost, Refused, Taken
from consumer.deliver.policy import retries
from consumer.deliver.policy.checks import Rules
from consumer.deliver.policy.retries import Limits
from consumer.deliver.recipients import holds, opt_outs
from consumer.deliver.tracking import reconciliation, status_reports
from consumer.deliver.unit_of_work import Book, Key, booking
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.error_table import wait
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Remedy, Unknown

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt."""

    key: Key
    number: int
    started_at: Millis
    outcome: Outcome


class Answers:
    """`record` blocks its thread and returns when everything is durable."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        rules: Rules,
        max_attempts: int,
        metrics: DeliverMetrics,
        now: Now,
        reports: bool = True,
    ) -> None:
        """Without `reports` nothing more is ever heard of what was accepted, and that is its last record."""
        self._reported = reports
        self._ledger = ledger
        self._limits = Limits(rules=rules, max_attempts=max_attempts)
        self._metrics = metrics
        self._now = now

    def record(self, answers: Sequence[Answer]) -> None:
        """The attempts' ends, their reminders' next statuses, reports that were early, the channel, opt-outs."""
        with booking(self._ledger, self._metrics, self._now()) as book:
            book.fetch([answer.key for answer in answers])
            for answer in answers:
                self._tell(book, answer)
            queries.reminders.finish_attempts(book.connection, [_end(answer, book.now) for answer in answers])
            accepted = [a.outcome.message_id for a in answers if isinstance(a.outcome, Accepted)]
            status_reports.apply_parked(book, accepted, self._limits)
            reconciliation.settle(book, _without_answer(book, answers), self._limits)
            _keep_verdicts(book, answers)
            breaker_updates.move(book, _tried(book, answers))
            _hold_pace(book, answers)
        counted = Counter((_label(a.outcome), getattr(a.outcome, "reason", "")) for a in answers)
        for (outcome, reason), number in counted.items():
            self._metrics.sends.labels(outcome, reason).inc(number)

    def _tell(self, book: Book, answer: Answer) -> None:
        row = book.get(answer.key)
        if row is None or row.attempts != answer.number:
            log.error("answer_without_attempt", reminder=answer.key[0], attempt=answer.number)
            return
        if isinstance(answer.outcome, Rejected | NotTransmitted) and retries.counts(answer.outcome):
            row = row._replace(refusals=row.refusals + 1)
            book.note(row)
        book.tell(answer.key, self._event(row, answer.outcome, book.now))

    def _event(self, row: ReminderRow, outcome: Outcome, now: Millis) -> Event:
        match outcome:
            case Accepted(message_id=message_id):
                return Taken(message_id, last=not self._reported)
            case Unknown(reason=reason):
                return Lost(reason)
            case Rejected() | NotTransmitted():
                then = self._limits.after(outcome, row, now)
                return Refused(outcome.reason, then, outcome.error_code if isinstance(outcome, Rejected) else None)


def _without_answer(book: Book, answers: Sequence[Answer]) -> set[str]:
    """Numbers (digits) to which something may have gone; it may have been seen already."""
    rows = (book.get(answer.key) for answer in answers if isinstance(answer.outcome, Unknown))
    return {row.phone for row in rows if row is not None and row.phone is not None}


def _keep_verdicts(book: Book, answers: Sequence[Answer]) -> None:
    """Whoever asked for no more, and whoever cannot be reached or not now."""
    for answer in answers:
        row, outcome = book.get(answer.key), answer.outcome
        if row is None or not isinstance(outcome, Rejected):
            continue
        holds.keep(book, row, outcome)
        if outcome.remedy is Remedy.OPT_OUT:
            opt_outs.keep(book, row, outcome.reason, book.now)


def _tried(book: Book, answers: Sequence[Answer]) -> list[Tried]:
    rows = ((book.get(answer.key), answer) for answer in answers)
    return [Tried(row, answer.started_at, answer.outcome) for row, answer in rows if row is not None]


def _hold_pace(book: Book, answers: Sequence[Answer]) -> None:
    """Where the channel says that we are too fast, no replica sends for a while."""
    for medium in sorted({answer.key[1] for answer in answers}):
        span = max(hold_for(answer.outcome) for answer in answers if answer.key[1] == medium)
        if span:
            queries.rate_limit.hold(book.connection, medium, book.now + span)


def hold_for(outcome: Outcome) -> Millis:
    """How long the whole channel is to be left alone after this answer."""
    if isinstance(outcome, Rejected) and outcome.remedy is Remedy.SLOW:
        return wait(Remedy.SLOW, 1, outcome.retry_after)
    return 0


def _end(answer: Answer, now: Millis) -> dict[str, Any]:
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
