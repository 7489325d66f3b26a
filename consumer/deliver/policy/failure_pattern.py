"""The same failure for one person after another is no failure of these people. Pure.

The table of errors (docs/1msg.md#error-codes) cannot know every failure. One that it does not explain, or explains as
bad in the message alone, ends the reminder of one person. If several people in a row meet the same one, it is about the
channel: its circuit breaker opens, with the provider's words, and their reminders wait.
"""

import re
from dataclasses import dataclass, replace

from consumer.clock import Millis
from consumer.onemsg.outcomes import Rejected, Remedy
from consumer.records import WHATSAPP

PEOPLE_TO_OPEN = 3
"""The reminders of all but the last of them end; a probe ends nobody's."""

REPEATED_FAILURE = "repeated_failure"

_UNEXPLAINED = frozenset(
    {"unknown_error", "bad_request", "bad_parameter", "provider_error", "unsupported_message", "media_failed"}
    | {"outside_window", "template_not_usable", "failed", "refused", "refused_by_policy"}
)
"""Reasons that may be anybody's fault. Those that name the person, such as an experiment, are not among them."""
_VARIABLE = re.compile(r"\S*[\d…]\S*")
"""A number, a masked one, or an id with a digit in it, such as that of a trace."""
_BETWEEN_WORDS = re.compile(r"[^\w#]+")
_MAX_PATTERN = 300


@dataclass(frozen=True, slots=True)
class Streak:
    """One unexplained failure, and the users who met it with nothing that went through in between, the first first.

    `since` is when the first of their attempts began.
    """

    pattern: str
    users: tuple[str, ...]
    since: Millis


def pattern_of(refusal: Rejected, medium: str) -> str | None:
    """Return what two unexplained refusals have in common if they are the same; None if this one is explained.

    WhatsApp's code, else the words without what differs from person to person. (The codes of mail servers are few.)
    """
    if refusal.remedy is not Remedy.MESSAGE or refusal.reason not in _UNEXPLAINED:
        return None
    if medium == WHATSAPP and refusal.error_code is not None:
        return f"code {refusal.error_code}"
    words = _BETWEEN_WORDS.sub(" ", _VARIABLE.sub("#", (refusal.error or "").casefold()))
    return words.strip()[:_MAX_PATTERN]


def after_failure(
    streak: Streak | None, refusal: Rejected, medium: str, user_id: str, started_at: Millis, *, stopped: bool
) -> tuple[Streak | None, Rejected]:
    """Return the streak after a refusal, and what the refusal counts as.

    `stopped`: the channel's breaker is open for a repeated failure, so that this was its probe, or left before.
    """
    pattern = pattern_of(refusal, medium)
    if pattern is None:
        return streak, refusal
    if streak is None or streak.pattern != pattern:
        streak = Streak(pattern, (user_id,), started_at)
    elif user_id not in streak.users and len(streak.users) < PEOPLE_TO_OPEN:
        streak = replace(streak, users=(*streak.users, user_id))
    if stopped or len(streak.users) >= PEOPLE_TO_OPEN:
        refusal = replace(refusal, reason=REPEATED_FAILURE, remedy=Remedy.CHANNEL, retry_after=None)
    return streak, refusal


def after_success(streak: Streak | None, started_at: Millis) -> Streak | None:
    """Return the streak after a message that went through; one from before the streak proves nothing."""
    return None if streak is None or started_at >= streak.since else streak
