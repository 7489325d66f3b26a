"""Which of our messages, seen from outside, belongs to an attempt without an answer. Pure.

An attempt gets a message only if no other pairing is possible: exactly one unclaimed message fits its chat and its
time, and it is the only attempt without an id that fits that message (docs/1msg.md#message-list,
ARCHITECTURE.md#life-of-a-reminder). Otherwise nothing is
paired: with a wrong id, the reports about one person's message would be applied to another person's reminder.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from consumer.clock import MINUTE, Millis
from consumer.onemsg.phone import same_recipient

BEFORE = MINUTE
"""How far the provider's clock may be behind ours (docs/1msg.md#message-list asks from `t0 - 60` on)."""
AFTER = 5 * MINUTE
"""How long after the request left its message may appear."""
_TAIL_LENGTH = 6  # digits that all forms of one number share


def tail(phone: str) -> str:
    """Return the last digits of a phone: a cheap first comparison, since most different phones differ there."""
    return phone[-_TAIL_LENGTH:]


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
    """One of our messages, seen from outside; `recipient` is digits as the provider writes them."""

    message_id: str
    recipient: str = field(repr=False)
    at: Millis
    source: str
    received_at: Millis


def fits(attempt: OpenAttempt, message: SeenMessage) -> bool:
    """Return whether this message may be this attempt's: the same chat, at about the time."""
    in_time = attempt.started_at - BEFORE <= message.at <= attempt.started_at + AFTER
    same_tail = tail(attempt.phone) == tail(message.recipient)
    return in_time and same_tail and same_recipient(attempt.phone, message.recipient)


def matches(attempts: Sequence[OpenAttempt], unclaimed: Sequence[SeenMessage]) -> list[tuple[OpenAttempt, SeenMessage]]:
    """Return the certain pairs. `attempts` are all without an id, under way or not."""
    by_tail: dict[str, list[SeenMessage]] = {}
    for message in unclaimed:
        by_tail.setdefault(tail(message.recipient), []).append(message)
    pairs = [(a, message) for a in attempts for message in by_tail.get(tail(a.phone), ()) if fits(a, message)]
    of_attempt, of_message = Counter(a for a, _ in pairs), Counter(message.message_id for _, message in pairs)
    return [(a, message) for a, message in pairs if of_attempt[a] == of_message[message.message_id] == 1]
