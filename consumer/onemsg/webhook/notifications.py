"""What 1MSG reports, in one form for all its sources (webhook `ack[]`, `hooks[]`, raw Meta, hookInfo).

People's numbers and texts are left out of every `repr`, so that logging a report by mistake reveals nothing.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from consumer.clock import Millis


class Progress(StrEnum):
    """How far a message got (docs/1msg.md#message-statuses)."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """One status of one message. `at` is the provider's time; None if it gave none (as in
    docs/1msg.md#normalised-statuses)."""

    message_id: str
    progress: Progress
    at: Millis | None = None
    error_code: int | None = None
    """The code; `ack[]` has none (docs/1msg.md#seven-facts, 4). `error_classification.classify` says what it and
    `error` mean."""
    error: str | None = None
    """The provider's text, safe to log."""
    recipient: str | None = field(default=None, repr=False)
    """The digits as reported; they may differ from those sent to (docs/1msg.md#seven-facts, 5)."""
    whatsapp_id: str | None = field(default=None, repr=False)
    """WhatsApp's own id of the person: a BSUID, or a hidden number's (docs/1msg.md#hidden-numbers)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """One of our own messages, reported back (`fromMe`): by the echo webhook, or in the message list."""

    message_id: str
    recipient: str | None = field(repr=False)
    at: Millis | None
    body: str | None = field(default=None, repr=False)
    whatsapp_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """Something that the person wrote or tapped."""

    message_id: str | None
    sender: str | None = field(repr=False)
    at: Millis | None
    kind: str
    texts: tuple[str, ...] = field(default=(), repr=False)
    """What was written, a caption, the title of a button and what it carries: Meta's "Stop promotions" has the payload
    STOP."""
    whatsapp_id: str | None = field(default=None, repr=False)
    quoted_id: str | None = None
    """The message that this one answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """The person turned our marketing off, or on again, in WhatsApp (docs/1msg.md#limits-and-policy,
    `user_preferences`)."""

    sender: str | None = field(repr=False)
    category: str
    wanted: bool
    at: Millis | None
    whatsapp_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPerson:
    """A phone (digits) and an id that WhatsApp names together."""

    phone: str = field(repr=False)
    whatsapp_id: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """The content of one webhook body. `ignored` counts items without a status (deletions, calls, unknown forms)."""

    statuses: tuple[StatusReport, ...] = ()
    echoes: tuple[Echo, ...] = ()
    inbound: tuple[Inbound, ...] = ()
    preferences: tuple[Preference, ...] = ()
    people: tuple[NamedPerson, ...] = ()
    ignored: int = 0
