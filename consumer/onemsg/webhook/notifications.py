"""What 1MSG tells us afterwards, whatever form it came in (webhook `ack[]`, `hooks[]`, raw Meta, hookInfo).

Numbers and texts of people are kept out of every `repr`, so that a report can be logged by mistake.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from consumer.clock import Millis


class Progress(StrEnum):
    """Contract §8.6, canonical."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """One status of one message. `at` is the provider's time where it gave one (contract §8.1 has none)."""

    message_id: str
    progress: Progress
    at: Millis | None = None
    error_code: int | None = None
    """As it was given; `ack[]` gives none (contract fact 4). What follows from it and `error`: errors.classify."""
    error: str | None = None
    """The provider's words, safe to log."""
    recipient: str | None = field(default=None, repr=False)
    """Digits as the provider reports them; may differ from what was sent to (contract fact 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """An outgoing message seen from outside (`fromMe`): the echo webhook, or a row of the message list."""

    message_id: str
    recipient: str | None = field(repr=False)
    at: Millis | None
    body: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """Something the client wrote or tapped."""

    message_id: str
    sender: str | None = field(repr=False)
    at: Millis | None
    kind: str
    body: str | None = field(default=None, repr=False)
    other_texts: tuple[str, ...] = field(default=(), repr=False)
    """A caption, and what a button carries beside its title: Meta's "Stop promotions" has the payload STOP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """The client turned our marketing off (or on again) in WhatsApp itself (contract §11, `user_preferences`)."""

    sender: str | None = field(repr=False)
    category: str
    wanted: bool
    at: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One webhook body, read. `ignored` counts items that carry no state (deleted, calls, unknown forms)."""

    statuses: tuple[StatusReport, ...] = ()
    echoes: tuple[Echo, ...] = ()
    inbound: tuple[Inbound, ...] = ()
    preferences: tuple[Preference, ...] = ()
    ignored: int = 0
