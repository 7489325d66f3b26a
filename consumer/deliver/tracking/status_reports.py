"""Applies status reports to their reminders, matched by message id and by nothing else (docs/1msg.md#seven-facts,
5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from consumer.clock import Millis
from consumer.deliver.channel.breaker_updates import AttemptOutcome, close_after_deliveries, update_breakers
from consumer.deliver.channel.failure_streaks import FailureStreaks, ToldBy
from consumer.deliver.lifecycle import UNSENT, Cancel, Change, Defer, NoChange, Reported, Status, StatusSource
from consumer.deliver.message_ids import found_by_id, is_same
from consumer.deliver.policy.retries import REPORTED_FAILURE_DELAY_MS, RetryPolicy
from consumer.deliver.recipients.holds import ReachedPhones, hold_recipient
from consumer.deliver.recipients.identity import person_of
from consumer.deliver.recipients.opt_outs import opt_out_recipient
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.inbox import ParkedReport
from consumer.ledger.schema.rows import ReminderRow
from consumer.onemsg.error_classification import classify
from consumer.onemsg.error_table import BY_CODE
from consumer.onemsg.masking import hide_texts
from consumer.onemsg.outcomes import Rejected, Remedy
from consumer.onemsg.templates.parameters import safe_parameter
from consumer.onemsg.webhook.notifications import Progress, StatusReport

_PROGRESS, _SOURCES = frozenset(map(str, Progress)), frozenset(map(str, StatusSource))
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """A report, where it came from, and when it was received."""

    report: StatusReport
    source: StatusSource
    received_at: Millis

    @property
    def at(self) -> Millis:
        """When it happened; when it was received, if the report has no time."""
        return self.received_at if self.report.at is None else self.report.at


def apply_reports(
    work: UnitOfWork, reports: Sequence[ReceivedReport], retry_policy: RetryPolicy
) -> list[ReceivedReport]:
    """Apply the reports to their reminders, in order. Returns those whose message is not ours, or not known yet."""
    find, ids = queries.attempts.reminders_by_message_id, {r.report.message_id for r in reports}
    keys = found_by_id(find, work.connection, ids, work.hash_key)
    work.lock(keys.values())
    unmatched, after = [], _Consequences(work)
    for received in reports:
        key = keys.get(received.report.message_id)
        if key is None:
            unmatched.append(received)
            _count(work, received, "unmatched")
        elif (row := work.get(key)) is not None and is_same(row.message_id, received.report.message_id, work.hash_key):
            changes = _apply(work, row, received, retry_policy, after)
            _count(work, received, _outcome(changes))
    after.apply()
    return unmatched


def park_reports(work: UnitOfWork, unmatched: Sequence[ReceivedReport]) -> None:
    """Store reports until their message is known."""
    queries.inbox.park_reports(work.connection, [_to_parked(each) for each in unmatched])


def apply_parked_reports(work: UnitOfWork, message_ids: Sequence[str], retry_policy: RetryPolicy) -> int:
    """Apply the parked reports about these messages, which are known now. Returns how many there were."""
    parked = queries.inbox.pop_parked_reports(work.connection, message_ids)
    apply_reports(work, list(filter(None, map(_from_parked, parked))), retry_policy)
    return len(parked)


def _apply(
    work: UnitOfWork, row: ReminderRow, received: ReceivedReport, retry_policy: RetryPolicy, after: "_Consequences"
) -> tuple[Change, ...] | NoChange:
    progress = received.report.progress
    if progress is Progress.FAILED:
        after.apply()  # in the order of the reports: a later failure may set a hold again
        return _fail(work, row, received, retry_policy, after.streaks)
    changes = work.apply_event(row.key, Reported(progress, received.source), received.at)
    if not isinstance(changes, NoChange) and progress in {Progress.DELIVERED, Progress.READ}:
        after.add_delivered(row)
        if row.status == Status.FAILED:
            _cancel_siblings(work, row, received.source)
    return changes


def _count(work: UnitOfWork, received: ReceivedReport, outcome: str) -> None:
    if received.source is StatusSource.WEBHOOK:
        work.webhook_reports[outcome] += 1


def _outcome(changes: tuple[Change, ...] | NoChange) -> str:
    if isinstance(changes, NoChange):
        return "repeated" if changes.why == "repeated" else "late"
    return "applied"


class _Consequences:
    """What follows from deliveries, for many of them at once."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._reached = ReachedPhones(work)
        self._delivered: list[ReminderRow] = []
        self.streaks = FailureStreaks(work, ToldBy.REPORT)

    def add_delivered(self, row: ReminderRow) -> None:
        self._reached.add(row)
        self._delivered.append(row)
        if row.attempted_at is not None:
            self.streaks.pass_through(row, row.attempted_at)

    def apply(self) -> None:
        self._reached.lift_holds()
        close_after_deliveries(self._work, self._delivered)
        self._delivered = []
        self.streaks.save()


def _cancel_siblings(work: UnitOfWork, row: ReminderRow, source: StatusSource) -> None:
    """Cancel the reminder's unsent rows on other media: it arrived. (The checks stop a second try of one.)"""
    for other in work.rows():
        if other.reminder_id == row.reminder_id and other.medium != row.medium and Status(other.status) in UNSENT:
            work.apply_event(other.key, Cancel("arrived", source))


def _fail(
    work: UnitOfWork,
    row: ReminderRow,
    received: ReceivedReport,
    retry_policy: RetryPolicy,
    streaks: FailureStreaks,
) -> tuple[Change, ...] | NoChange:
    """Apply a failure that is reported later by the same table as one in the answer (docs/1msg.md#error-codes)."""
    refusal = _refusal(received.report, _words_sent(work, row, received.report))
    # Another try is a new message, so every failure counts here, also that of a channel that accepts and never sends.
    counted = row._replace(counted_attempts=row.counted_attempts + 1)
    retry = _retry(refusal, counted, retry_policy, work.now)
    if Status(row.status) in {Status.ACCEPTED, Status.SENT}:  # a repeated report counts once
        refusal = streaks.judge(
            refusal, row, person_of(row, work.hash_key), row.attempted_at or work.now, ends=retry is None
        )
        retry = _retry(refusal, counted, retry_policy, work.now)
    event = Reported(Progress.FAILED, received.source, refusal.reason, refusal.error_code, retry)
    changes = work.apply_event(row.key, event, received.at)
    if isinstance(changes, NoChange):
        return changes
    failed = work.get(row.key) or counted
    work.update(failed._replace(counted_attempts=counted.counted_attempts))
    error = {"reason": refusal.reason, "error_code": refusal.error_code, "error": refusal.error}
    queries.attempts.record_outcomes(work.connection, [{"key": row.key, "number": row.attempts, **error}])
    hold_recipient(work, counted, refusal)
    if refusal.remedy is Remedy.OPT_OUT:
        opt_out_recipient(work, row, refusal.reason, received.source, received.at)
    if refusal.remedy is Remedy.CHANNEL:
        update_breakers(work, [AttemptOutcome(row, row.attempted_at or work.now, refusal)], reported=True)
    return changes


def _retry(refusal: Rejected, counted: ReminderRow, retry_policy: RetryPolicy, now: Millis) -> Defer | None:
    """Return when to try another message; None if none may follow."""
    then = retry_policy.after(refusal, counted, now)
    return then if isinstance(then, Defer) and counted.counted_attempts < retry_policy.max_attempts else None


def _words_sent(work: UnitOfWork, row: ReminderRow, report: StatusReport) -> list[str]:
    """Return what the message said, of words from outside, where the text of the report is what decides."""
    if not report.error or report.error_code in BY_CODE:
        return []
    contact = queries.contacts.by_user(work.connection, [row.user_id]).get(row.user_id)
    return [sent for text in (contact.name if contact else None, row.action) if (sent := safe_parameter(text))]


def _refusal(report: StatusReport, words_sent: Sequence[str]) -> Rejected:
    """Return the failure as if it had been the answer. It keeps the reported code, even an unknown one.

    A retry waits for at least REPORTED_FAILURE_DELAY_MS: a delivery that overrides the failure may be on its way. What
    the message said is masked: a text that quotes it must not mean what a name says.
    """
    error = report.error and hide_texts(report.error, words_sent)
    rule = classify(report.error_code, error)
    is_channel = rule.remedy is Remedy.CHANNEL
    return Rejected(
        reason=rule.reason,
        remedy=rule.remedy,
        error_code=rule.code if report.error_code is None else report.error_code,
        error=error,
        retry_after=rule.not_before if is_channel else max(rule.not_before or 0, REPORTED_FAILURE_DELAY_MS),
        template=rule.template,
    )


def _to_parked(received: ReceivedReport) -> ParkedReport:
    report = received.report
    return ParkedReport(
        report.message_id,
        report.progress.value,
        report.at,
        report.error_code,
        report.error,
        received.source.value,
        received.received_at,
    )


def _from_parked(parked: ParkedReport) -> ReceivedReport | None:
    """Return the report; None if another version of Lapse parked what this one does not know."""
    if parked.progress not in _PROGRESS or parked.source not in _SOURCES:
        log.error("parked_report_unreadable", progress=parked.progress, source=parked.source)
        return None
    report = StatusReport(
        message_id=parked.message_id,
        progress=Progress(parked.progress),
        at=parked.at,
        error_code=parked.error_code,
        error=parked.error,
    )
    return ReceivedReport(report, StatusSource(parked.source), parked.received_at)
