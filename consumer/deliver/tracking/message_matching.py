"""Which of our messages, seen from outside, is the one that an attempt without an answer sent? Pure.

An attempt is given a message only where nothing else is possible: of the messages that nobody has claimed exactly one
fits its chat and its time, and it is the only attempt without an id that fits that message (contract §5, design §5).
In any other case nobody gets anything: a wrong id would let one person's reports speak for another's reminder.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from consumer.clock import MINUTE, Millis
from consumer.onemsg.phone import same_recipient

BEFORE = MINUTE
"""How far the provider's clock may be behind ours (contract §5 asks from `t0 - 60` on)."""
AFTER = 5 * MINUTE
"""How long after the request left its message may turn up."""
_TAIL = 6  # digits that all forms of one number have in common, and a cheap first look


def tail(phone: str) -> str:
    """The end of a number (digits): it differs for whoever is not the same recipient, mostly."""
    return phone[-_TAIL:]


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt that may have gone out and has no id; `phone` is digits as it was sent to."""

    reminder_id: str
    medium: str
    number: int
    started_at: Millis
    phone: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """One of our messages, seen from outside; `recipient` is digits as the provider says them."""

    message_id: str
    recipient: str = field(repr=False)
    at: Millis
    source: str
    received_at: Millis


def fits(attempt: OpenAttempt, seen: SeenMessage) -> bool:
    """Whether this message may be this attempt's: the same chat, at about the time."""
    in_time = attempt.started_at - BEFORE <= seen.at <= attempt.started_at + AFTER
    alike = tail(attempt.phone) == tail(seen.recipient)
    return in_time and alike and same_recipient(attempt.phone, seen.recipient)


def matches(attempts: Sequence[OpenAttempt], unclaimed: Sequence[SeenMessage]) -> list[tuple[OpenAttempt, SeenMessage]]:
    """The attempts whose message is certain. `attempts` are all without an id, whether still under way or not."""
    tails: dict[str, list[SeenMessage]] = {}
    for seen in unclaimed:
        tails.setdefault(tail(seen.recipient), []).append(seen)
    pairs = [(a, seen) for a in attempts for seen in tails.get(tail(a.phone), ()) if fits(a, seen)]
    of_attempt, of_message = Counter(a for a, _ in pairs), Counter(seen.message_id for _, seen in pairs)
    return [(a, seen) for a, seen in pairs if of_attempt[a] == of_message[seen.message_id] == 1]
