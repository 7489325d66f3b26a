"""Recognises failures of the channel, or of a template, by what they do to one person after another. Pure.

The table of errors (docs/1msg.md#error-codes) cannot know every failure. One that it does not explain, or explains as a
fault of the message alone, ends the reminder of one person; so does a temporary one when no try is left. If several
people in a row end so, whatever the words, with nothing that went through in between, it is about the channel, or about
the template that they share: its circuit breaker opens, with the provider's words, and their reminders wait.
"""

import re
from dataclasses import dataclass, replace

from consumer.clock import Millis
from consumer.onemsg.outcomes import Rejected, Remedy

PEOPLE_TO_OPEN = 3
"""The reminders before the last one end; the last one waits, and so does each probe."""

REPEATED_FAILURE = "repeated_failure"

_ABOUT_THE_PERSON = frozenset({"experiment", "hidden_number_unsupported"})
"""Reasons that name the person, so that any number of them in a row says nothing about the channel."""
_MOST_ERRORS = 3
"""The latest are kept."""
_VARIABLE = re.compile(r"\S*[\d…]\S*")
"""A number, a masked one, or an id with a digit in it, such as that of a trace."""
_BETWEEN_WORDS = re.compile(r"[^\w#]+")


@dataclass(frozen=True, slots=True)
class Streak:
    """People who met unexplained failures with nothing that went through in between, the first first.

    `people` are any names of them; `errors` are the provider's words, those that differ; `since` is when the first of
    the attempts began.
    """

    people: tuple[str, ...]
    errors: tuple[str, ...]
    since: Millis

    @property
    def is_pattern(self) -> bool:
        """Whether so many people failed that it is not about each of them."""
        return len(self.people) >= PEOPLE_TO_OPEN


def is_unexplained(refusal: Rejected, *, ends: bool) -> bool:
    """Return whether a refusal may be anybody's fault; `ends`: the reminder is not tried again after it."""
    if refusal.remedy not in {Remedy.MESSAGE, Remedy.TRANSIENT}:
        return False
    return ends and refusal.reason not in _ABOUT_THE_PERSON


def after_failure(streak: Streak | None, refusal: Rejected, person: str, started_at: Millis) -> Streak:
    """Return the streak after an unexplained refusal."""
    error = refusal.error or (refusal.reason if refusal.error_code is None else f"code {refusal.error_code}")
    if streak is None:
        return Streak((person,), (error,), started_at)
    if person not in streak.people and not streak.is_pattern:
        streak = replace(streak, people=(*streak.people, person))
    if all(_words(error) != _words(other) for other in streak.errors):
        streak = replace(streak, errors=(*streak.errors, error)[-_MOST_ERRORS:])
    return streak


def after_success(streak: Streak | None, started_at: Millis) -> Streak | None:
    """Return the streak after a message that went through; one from before the streak proves nothing."""
    return None if streak is None or started_at >= streak.since else streak


def as_repeated(refusal: Rejected, streak: Streak, *, template: bool) -> Rejected:
    """Return the refusal as one that concerns the whole channel, or only the template, with all that was said."""
    error = "; ".join(streak.errors)
    channel = replace(refusal, reason=REPEATED_FAILURE, remedy=Remedy.CHANNEL, error=error, retry_after=None)
    return replace(channel, template=template)


def _words(error: str) -> str:
    """Return the words without what differs from person to person."""
    return _BETWEEN_WORDS.sub(" ", _VARIABLE.sub("#", error.casefold())).strip()
