"""What follows from an attempt that was certainly not accepted: again later, or never. Pure.

How long to wait is `onemsg.errors`' to say (contract §10); here it meets `max_attempts` and the reminder's age.
"""

from dataclasses import dataclass

from consumer.clock import Millis
from consumer.deliver.checks import Rules, too_old_at
from consumer.deliver.lifecycle import Defer, Fail
from consumer.ledger.rows import ReminderRow
from consumer.onemsg.errors import may_retry, wait
from consumer.onemsg.outcomes import NotTransmitted, Rejected, Remedy

Refusal = Rejected | NotTransmitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often, and how long, a reminder may be tried."""

    rules: Rules
    max_attempts: int

    def after(self, refusal: Refusal, row: ReminderRow, refusals: int, now: Millis) -> Defer | Fail:
        """What follows for this reminder from the `refusals`-th refusal (from 1) that counts."""
        lapsed_at = row.last_seen if row.lapsed_at is None else row.lapsed_at
        until = too_old_at(lapsed_at, self.rules)
        return after_refusal(refusal, refusals=refusals, max_attempts=self.max_attempts, now=now, too_old_at=until)


def counts(refusal: Refusal) -> bool:
    """Whether it is one of `max_attempts`. A channel that takes nothing says nothing about this message."""
    return not (isinstance(refusal, Rejected) and refusal.remedy is Remedy.CHANNEL)


def after_refusal(
    refusal: Refusal, *, refusals: int, max_attempts: int, now: Millis, too_old_at: Millis
) -> Defer | Fail:
    """What follows from the `refusals`-th refusal (from 1) that counts. `too_old_at` is when the reminder expires."""
    remedy, retry_after = Remedy.TRANSIENT, None
    if isinstance(refusal, Rejected):
        remedy, retry_after = refusal.remedy, refusal.retry_after
    if remedy is Remedy.CHANNEL:
        if isinstance(refusal, Rejected) and refusal.template:
            return Defer("template_unusable", now + wait(remedy, 1, retry_after))
        return Defer("channel_stopped", too_old_at)
    if not may_retry(remedy) or refusals >= max_attempts:
        return Fail(refusal.reason)
    return Defer("retry_later", now + wait(remedy, refusals, retry_after))
