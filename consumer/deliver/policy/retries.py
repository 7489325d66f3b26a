"""What follows from an attempt that was certainly not accepted: another try later, or a failure. Pure.

`onemsg.error_table` says how long to wait (docs/1msg.md#error-codes); `max_attempts` and the reminder's age limit it
here. A connection that is down, a stopped channel and a rate limit do not count against `max_attempts`, since they say
nothing about the message: a reminder waits for them until it expires.
"""

from dataclasses import dataclass

from consumer.clock import MINUTE, Millis
from consumer.deliver.lifecycle import Defer, Fail
from consumer.deliver.policy.checks import CheckRules, too_old_at
from consumer.ledger.schema.rows import ReminderRow
from consumer.onemsg.backoff import may_retry, wait
from consumer.onemsg.outcomes import NotTransmitted, Rejected, Remedy

Refusal = Rejected | NotTransmitted

_NOT_COUNTED = frozenset({Remedy.CHANNEL, Remedy.SLOW, Remedy.PAIR})

REPORTED_FAILURE_DELAY_MS: Millis = 15 * MINUTE
"""The least wait before another message after a failure that was reported later. A delivery may still be reported
(docs/1msg.md#order-and-repeats), and then cancels the other message if it has not gone out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and for how long a reminder may be tried."""

    rules: CheckRules
    max_attempts: int

    def after(self, refusal: Refusal, row: ReminderRow, now: Millis) -> Defer | Fail:
        """Return what follows for this reminder, whose `counted_attempts` already include this one."""
        return after_refusal(
            refusal,
            attempt=row.attempts,
            is_last=row.counted_attempts >= self.max_attempts,
            now=now,
            too_old_at=too_old_at(row.lapse_time, self.rules),
        )


def counts_as_attempt(refusal: Refusal) -> bool:
    """Return whether this refusal counts against `max_attempts`."""
    return isinstance(refusal, Rejected) and refusal.remedy not in _NOT_COUNTED


def after_refusal(refusal: Refusal, *, attempt: int, is_last: bool, now: Millis, too_old_at: Millis) -> Defer | Fail:
    """Return what follows from the refusal of attempt number `attempt` (from 1); `is_last` if no more may follow.

    `too_old_at` is when the reminder expires.
    """
    remedy, retry_after = Remedy.TRANSIENT, None
    if isinstance(refusal, Rejected):
        remedy, retry_after = refusal.remedy, refusal.retry_after
    if remedy is Remedy.CHANNEL:
        if isinstance(refusal, Rejected) and refusal.template:
            return Defer("template_unusable", now + wait(remedy, 1, retry_after))
        return Defer("channel_stopped", too_old_at)
    if not may_retry(remedy) or is_last:
        return Fail(refusal.reason)
    return Defer("retry_later", now + wait(remedy, attempt, retry_after))
