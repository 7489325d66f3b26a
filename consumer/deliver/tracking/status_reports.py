"""Joins reports to the reminders they are about: by message id, and by nothing else (contract fact 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

from consumer.clock import Millis
from consumer.deliver.channel import breaker_updates
from consumer.deliver.channel.breaker_updates import AttemptOutcome
from consumer.deliver.lifecycle import UNSENT, Cancel, Defer, NoChange, Reported, Status, StatusSource
from consumer.deliver.policy.retries import REPORTED_AGAIN, RetryPolicy
from consumer.deliver.recipients import holds, opt_outs
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.inbox import ParkedReport
from consumer.ledger.schema.rows import ReminderRow
from consumer.onemsg.error_table import classify
from consumer.onemsg.outcomes import Rejected, Remedy
from consumer.onemsg.webhook.notifications import Progress, StatusReport


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """A report, who told us, and when."""

    report: StatusReport
    source: StatusSource
    received_at: Millis


def apply(work: UnitOfWork, heard: Sequence[ReceivedReport], limits: RetryPolicy) -> list[ReceivedReport]:
    """Let the reports happen to their reminders, in order. Returns those whose message is not ours, or not yet."""
    keys = queries.attempts.reminders_by_message_id(work.connection, {h.report.message_id for h in heard})
    work.lock(keys.values())
    strangers, reached = [], holds.Reached(work)
    for each in heard:
        key = keys.get(each.report.message_id)
        if key is None:
            strangers.append(each)
        elif (row := work.get(key)) is not None and row.message_id == each.report.message_id:
            _tell(work, row, each, limits, reached)
    reached.lift()
    return strangers


def park(work: UnitOfWork, strangers: Sequence[ReceivedReport]) -> None:
    """Keep reports until their message is known."""
    queries.inbox.park_reports(work.connection, [_parked(each) for each in strangers])


def apply_parked(work: UnitOfWork, message_ids: Sequence[str], limits: RetryPolicy) -> int:
    """Now that these ids are known, let what was said of them early happen. Returns how much that was."""
    parked = queries.inbox.pop_parked_reports(work.connection, message_ids)
    apply(work, [_heard(each) for each in parked], limits)
    return len(parked)


def _tell(
    work: UnitOfWork, row: ReminderRow, heard: ReceivedReport, limits: RetryPolicy, reached: holds.Reached
) -> None:
    report = heard.report
    at = heard.received_at if report.at is None else report.at
    if report.progress is Progress.FAILED:
        reached.lift()  # what is heard first counts first
        _fail(work, row, heard, at, limits)
        return
    changes = work.apply_event(row.key, Reported(report.progress, heard.source), at)
    if not isinstance(changes, NoChange) and report.progress in {Progress.DELIVERED, Progress.READ}:
        reached.add(row)
        if row.status == Status.FAILED:
            _call_off(work, row, heard.source)


def _call_off(work: UnitOfWork, row: ReminderRow, source: StatusSource) -> None:
    """It arrived: whatever was to carry it instead need not go out. (A second try of that is stopped by the checks.)"""
    for other in work.rows():
        if other.reminder_id == row.reminder_id and other.medium != row.medium and Status(other.status) in UNSENT:
            work.apply_event(other.key, Cancel("arrived", source))


def _fail(work: UnitOfWork, row: ReminderRow, heard: ReceivedReport, at: Millis, limits: RetryPolicy) -> None:
    """A failure that is told afterwards follows the same table as one that is answered (contract §10)."""
    refusal = _refusal(heard.report)
    # Another try is a new message: every failure counts here, also that of a channel which takes all and sends none.
    counted = row._replace(refusals=row.refusals + 1)
    then = limits.after(refusal, counted, work.now)
    again = then if isinstance(then, Defer) and counted.refusals < limits.max_attempts else None
    event = Reported(Progress.FAILED, heard.source, refusal.reason, refusal.error_code, again)
    if isinstance(work.apply_event(row.key, event, at), NoChange):
        return
    told = work.get(row.key) or counted
    work.update(told._replace(refusals=counted.refusals))
    said = {"reason": refusal.reason, "error_code": refusal.error_code, "error": refusal.error}
    queries.attempts.record_outcomes(work.connection, [{"key": row.key, "number": row.attempts, **said}])
    holds.keep(work, counted, refusal)
    if refusal.remedy is Remedy.OPT_OUT:
        opt_outs.keep(work, row, refusal.reason, at)
    if refusal.remedy is Remedy.CHANNEL:
        breaker_updates.update_breakers(work, [AttemptOutcome(row, row.attempted_at or work.now, refusal)])


def _refusal(report: StatusReport) -> Rejected:
    """The failure as if it had been the answer. It keeps the code that was given, though nobody may know it.

    What would be tried again soon waits a little: the delivery that overrides it may be on its way.
    """
    rule = classify(report.error_code, report.error)
    again = rule.not_before if rule.remedy is Remedy.CHANNEL else max(rule.not_before or 0, REPORTED_AGAIN)
    return Rejected(
        reason=rule.reason,
        remedy=rule.remedy,
        error_code=rule.code if report.error_code is None else report.error_code,
        error=report.error,
        retry_after=again,
        template=rule.template,
    )


def _parked(heard: ReceivedReport) -> ParkedReport:
    report = heard.report
    return ParkedReport(
        report.message_id,
        report.progress.value,
        report.at,
        report.error_code,
        report.error,
        heard.source.value,
        heard.received_at,
    )


def _heard(parked: ParkedReport) -> ReceivedReport:
    report = StatusReport(
        message_id=parked.message_id,
        progress=Progress(parked.progress),
        at=parked.at,
        error_code=parked.error_code,
        error=parked.error,
    )
    return ReceivedReport(report, StatusSource(parked.source), parked.received_at)
