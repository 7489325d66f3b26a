"""What follows from an attempt that was certainly not accepted: again later, or never. Pure.

How long to wait is `onemsg.errors`' to say (contract §10); here it meets `max_attempts` and the reminder's age. Only
what is said about this message counts against `max_attempts`: a line that is down, a channel that takes nothing or not
so fast say nothing about it, and a reminder waits for them as long as it lives.
"""

from dataclasses import dataclass

from consumer.clock import MINUTE, Millis
from consumer.deliver.lifecycle import Defer, Fail
from consumer.deliver.policy.checks import CheckRules, too_old_at
from consumer.ledger.schema.rows import ReminderRow
from consumer.onemsg.backoff import may_retry, wait
from consumer.onemsg.outcomes import NotTransmitted, Rejected, Remedy

Refusal = Rejected | NotTransmitted

_ABOUT_US = frozenset({Remedy.CHANNEL, Remedy.SLOW, Remedy.PAIR})

REPORTED_AGAIN = 15 * MINUTE
"""The least to wait before another message after a failure that was told afterwards. A delivery may follow it (contract
§8.7), and takes back what has not gone out by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and how long, a reminder may be tried."""

    rules: CheckRules
    max_attempts: int

    def after(self, refusal: Refusal, row: ReminderRow, now: Millis) -> Defer | Fail:
        """What follows for this reminder, whose `refusals` are counted already."""
        lapsed_at = row.last_seen if row.lapsed_at is None else row.lapsed_at
        return after_refusal(
            refusal,
            tries=row.attempts,
            last=row.refusals >= self.max_attempts,
            now=now,
            too_old_at=too_old_at(lapsed_at, self.rules),
        )


def counts(refusal: Refusal) -> bool:
    """Whether it is one of `max_attempts`."""
    return isinstance(refusal, Rejected) and refusal.remedy not in _ABOUT_US


def after_refusal(refusal: Refusal, *, tries: int, last: bool, now: Millis, too_old_at: Millis) -> Defer | Fail:
    """What follows from the refusal of the `tries`-th attempt (from 1), the last that counts or not.

    `too_old_at` is when the reminder expires.
    """
    remedy, retry_after = Remedy.TRANSIENT, None
    if isinstance(refusal, Rejected):
        remedy, retry_after = refusal.remedy, refusal.retry_after
    if remedy is Remedy.CHANNEL:
        if isinstance(refusal, Rejected) and refusal.template:
            return Defer("template_unusable", now + wait(remedy, 1, retry_after))
        return Defer("channel_stopped", too_old_at)
    if not may_retry(remedy) or last:
        return Fail(refusal.reason)
    return Defer("retry_later", now + wait(remedy, tries, retry_after))
