"""Records the outcomes of attempts: many at once, in one transaction with everything that follows from them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from consumer.clock import Millis, Now
from consumer.deliver.channel.breaker_updates import AttemptOutcome, update_breakers
from consumer.deliver.channel.failure_streaks import FailureStreaks, ToldBy
from consumer.deliver.lifecycle import AttemptAccepted, AttemptRefused, Event, Fail, OutcomeUnknown, StatusSource
from consumer.deliver.message_ids import digest_of
from consumer.deliver.policy.retries import RetryPolicy, counts_as_attempt
from consumer.deliver.recipients.holds import hold_recipient
from consumer.deliver.recipients.identity import person_of, phone_hashes
from consumer.deliver.recipients.opt_outs import opt_out_recipient
from consumer.deliver.tracking.reconciliation import match_open_attempts
from consumer.deliver.tracking.status_reports import apply_parked_reports
from consumer.deliver.unit_of_work import Key, UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.errors import is_about_a_value
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.backoff import wait
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Remedy, Unknown
from consumer.records import WHATSAPP

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What came of one attempt."""

    key: Key
    number: int
    started_at: Millis
    outcome: Outcome


class ResultRecorder:
    """`record` blocks its thread and returns once everything is durable."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        retry_policy: RetryPolicy,
        metrics: DeliverMetrics,
        now: Now,
        has_reports: bool = True,
    ) -> None:
        """Without `has_reports` nothing follows an acceptance, and its record is the last."""
        self._ledger = ledger
        self._retry_policy = retry_policy
        self._metrics = metrics
        self._now = now
        self._has_reports = has_reports

    def record(self, results: Sequence[AttemptResult]) -> None:
        """Record the attempts' ends, their reminders' next statuses, early reports, breakers, holds and opt-outs.

        A result whose reminder cannot be handled is logged, and the others are recorded: its attempt becomes unknown.
        """
        try:
            self._record(results)
        except Exception as error:
            if not is_about_a_value(error):
                raise
            if len(results) == 1:
                key, number = results[0].key, results[0].number
                log.error("result_refused", reminder_id=key[0], attempt=number, error=type(error).__name__)
                return
            half = len(results) // 2
            self.record(results[:half])
            self.record(results[half:])

    def _record(self, results: Sequence[AttemptResult]) -> None:
        with unit_of_work(self._ledger, self._metrics, self._now()) as work:
            work.lock([result.key for result in results])
            accepted = [r.outcome.message_id for r in results if isinstance(r.outcome, Accepted)]
            results = [_without_erased_id(work, result) for result in self._judged(work, results)]
            for result in results:
                self._apply(work, result)
            queries.attempts.record_outcomes(work.connection, [_end(result, work.now) for result in results])
            apply_parked_reports(work, accepted, self._retry_policy)
            match_open_attempts(work, _phones_without_answer(work, results), self._retry_policy)
            _keep_refusals(work, results)
            rows = ((work.get(result.key), result) for result in results)
            update_breakers(work, [AttemptOutcome(row, r.started_at, r.outcome) for row, r in rows if row is not None])
            _pause_media(work, results)
            outcomes = Counter(_labels(work.get(result.key), result.outcome) for result in results)
        for (process, *labels), number in outcomes.items():
            self._metrics.sends.labels(self._metrics.process_label(process), *labels).inc(number)

    def _apply(self, work: UnitOfWork, result: AttemptResult) -> None:
        row = work.get(result.key)
        if row is None or row.attempts != result.number:
            log.error("result_without_attempt", reminder_id=result.key[0], attempt=result.number)
            return
        if isinstance(result.outcome, Rejected | NotTransmitted) and counts_as_attempt(result.outcome):
            row = row._replace(counted_attempts=row.counted_attempts + 1)
            work.update(row)
        event: Event
        match result.outcome:
            case Accepted(message_id=message_id):
                event = AttemptAccepted(message_id, is_last=not self._has_reports)
            case Unknown(reason=reason):
                event = OutcomeUnknown(reason)
            case Rejected() | NotTransmitted() as refusal:
                error_code = refusal.error_code if isinstance(refusal, Rejected) else None
                event = AttemptRefused(refusal.reason, self._retry_policy.after(refusal, row, work.now), error_code)
        work.apply_event(result.key, event)

    def _judged(self, work: UnitOfWork, results: Sequence[AttemptResult]) -> list[AttemptResult]:
        """Return the results, in order, with what several people met in a row as a failure of channel or template."""
        streaks, judged = FailureStreaks(work, ToldBy.ANSWER), list[AttemptResult]()
        for result in results:
            row, outcome = work.get(result.key), result.outcome
            if isinstance(outcome, Rejected) and row is not None:
                counted = row._replace(counted_attempts=row.counted_attempts + 1)
                ends = isinstance(self._retry_policy.after(outcome, counted, work.now), Fail)
                outcome = streaks.judge(outcome, row, person_of(row, work.hash_key), result.started_at, ends=ends)
            elif isinstance(outcome, Accepted) and row is not None:
                streaks.pass_through(row, result.started_at)
            judged.append(replace(result, outcome=outcome))
        streaks.save()
        return judged


def _without_erased_id(work: UnitOfWork, result: AttemptResult) -> AttemptResult:
    """Return the result without the message's id if the person was erased while it was on its way."""
    row, outcome = work.get(result.key), result.outcome
    is_erased = row is not None and row.medium == WHATSAPP and row.phone is None
    if not (is_erased and isinstance(outcome, Accepted)):
        return result
    return replace(result, outcome=Accepted(message_id=digest_of(outcome.message_id, work.hash_key)))


def _phones_without_answer(work: UnitOfWork, results: Sequence[AttemptResult]) -> set[str]:
    """Return the phones (hashes) of unknown attempts: their message may have been seen already."""
    rows = (work.get(result.key) for result in results if isinstance(result.outcome, Unknown))
    return phone_hashes(filter(None, rows), work.hash_key)


def _keep_refusals(work: UnitOfWork, results: Sequence[AttemptResult]) -> None:
    """Store what refusals say about recipients: holds and opt-outs."""
    for result in results:
        row, outcome = work.get(result.key), result.outcome
        if row is None or not isinstance(outcome, Rejected):
            continue
        hold_recipient(work, row, outcome)
        if outcome.remedy is Remedy.OPT_OUT:
            opt_out_recipient(work, row, outcome.reason, StatusSource.RESPONSE, work.now)


def _pause_media(work: UnitOfWork, results: Sequence[AttemptResult]) -> None:
    """Let no replica send for a while on a channel that says we are too fast."""
    for medium in sorted({result.key[1] for result in results}):
        pause = max(pause_after(result.outcome) for result in results if result.key[1] == medium)
        if pause:
            queries.channels.hold_rate_until(work.connection, medium, work.now + pause)


def pause_after(outcome: Outcome) -> Millis:
    """Return how long the whole channel must pause after this outcome."""
    if isinstance(outcome, Rejected) and outcome.remedy is Remedy.SLOW:
        return wait(Remedy.SLOW, 1, outcome.retry_after)
    return 0


def _end(result: AttemptResult, now: Millis) -> dict[str, Any]:
    outcome = result.outcome
    return {
        "key": result.key,
        "number": result.number,
        "finished_at": now,
        "outcome": _label(outcome),
        "may_have_been_sent": isinstance(outcome, Accepted | Unknown),
        "reason": getattr(outcome, "reason", None),
        "error_code": getattr(outcome, "error_code", None),
        "error": getattr(outcome, "error", None),
        "message_id": getattr(outcome, "message_id", None),
    }


def _labels(row: ReminderRow | None, outcome: Outcome) -> tuple[str, str, str]:
    """Return the labels of `lapse_sends`."""
    return row.process if row else "", _label(outcome), getattr(outcome, "reason", "")


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
