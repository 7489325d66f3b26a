"""What follows from an attempt that was certainly not accepted: again later, or never. Pure.

How long to wait is `onemsg.errors`' to say (contract §10); here it meets `max_attempts` and the reminder's age.
"""

from consumer.clock import Millis
from consumer.deliver.lifecycle import Defer, Fail
from consumer.onemsg.errors import may_retry, wait
from consumer.onemsg.outcomes import NotTransmitted, Rejected, Remedy

Refusal = Rejected | NotTransmitted


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
