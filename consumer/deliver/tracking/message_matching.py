"""Which of our messages, seen from outside, belongs to an attempt without an answer. Pure.

An attempt gets a message only if no other pairing is possible: exactly one unclaimed message fits its chat, its time
and its text, and it is the only attempt without an id that fits that chat and time (docs/1msg.md#message-list,
ARCHITECTURE.md#unknown-attempts). Otherwise nothing is paired: with a wrong id, the reports about somebody else's
message would be applied to this person's reminder. Colleagues and other systems write into the same chats.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from consumer.clock import MINUTE, Millis

MAX_LAG_MS: Millis = MINUTE
"""How far the provider's clock may be behind ours (docs/1msg.md#message-list asks from `t0 - 60` on)."""
MAX_DELAY_MS: Millis = 5 * MINUTE
"""How long after the request left its message may appear."""


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt that may have gone out and has no id. Without a `text_hash` no message can be recognised as its."""

    reminder_id: str
    medium: str
    number: int
    started_at: Millis
    phone_hash: str
    text_hash: str | None
    earliest: Millis
    """Before `started_at` only where it is not known when the request left: a restored ledger has lost the attempt."""


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """One message of the business, seen from outside."""

    message_id: str
    phone_hash: str
    text_hash: str
    at: Millis
    source: str
    received_at: Millis


def may_match(attempt: OpenAttempt, message: SeenMessage) -> bool:
    """Return whether this message fits the attempt's chat and time."""
    in_time = attempt.earliest - MAX_LAG_MS <= message.at <= attempt.started_at + MAX_DELAY_MS
    return in_time and attempt.phone_hash == message.phone_hash


def matches(attempts: Sequence[OpenAttempt], unclaimed: Sequence[SeenMessage]) -> list[tuple[OpenAttempt, SeenMessage]]:
    """Return the certain pairs. `attempts` are all without an id, under way or not."""
    in_chat: dict[str, list[SeenMessage]] = {}
    for message in unclaimed:
        in_chat.setdefault(message.phone_hash, []).append(message)
    there = [(a, message) for a in attempts for message in in_chat.get(a.phone_hash, ()) if may_match(a, message)]
    pairs = [(a, message) for a, message in there if a.text_hash == message.text_hash]
    open_there = Counter(message.message_id for _, message in there)
    of_attempt = Counter(a for a, _ in pairs)
    return [(a, message) for a, message in pairs if of_attempt[a] == open_there[message.message_id] == 1]
