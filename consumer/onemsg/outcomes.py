"""The outcomes of one attempt to send: a closed set, decided by docs/1msg.md#answers-to-sendtemplate.

Only after `Rejected` and `NotTransmitted` is it certain that nothing was sent, so only they may be tried again.
"""

from dataclasses import dataclass
from enum import StrEnum

from consumer.clock import Millis


class Remedy(StrEnum):
    """What a refusal means for the reminder, its recipient and the channel (docs/1msg.md#error-codes)."""

    MESSAGE = "message"
    """This message will never be accepted. Final."""
    RECIPIENT = "recipient"
    """This recipient cannot be reached. Final on this medium; a reason to use another one."""
    OPT_OUT = "opt_out"
    """The recipient asked for no more messages. Final, and kept as an opt-out."""
    CHANNEL = "channel"
    """Template, account or credential. Nothing can be sent until somebody fixes it: stop the channel."""
    SLOW = "slow"
    """The channel's rate was exceeded: back off with all messages."""
    PAIR = "pair"
    """The rate for this recipient was exceeded: back off for this recipient only."""
    DAY = "day"
    """Wait at least 24 hours for this recipient."""
    TRANSIENT = "transient"
    """A temporary error: a short backoff and few tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """`sent: true` with an id: 1MSG accepted the message. Nothing more is known."""

    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """1MSG refused: certainly not accepted. `reason` is a label; `error` is the provider's text, safe to log."""

    reason: str
    remedy: Remedy
    error_code: int | None = None
    error: str | None = None
    retry_after: Millis | None = None
    """The shortest wait in milliseconds, whatever the backoff says."""
    template: bool = False
    """With `Remedy.CHANNEL`: only this template is unusable; the channel's others are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTransmitted:
    """The request was certainly not sent: name resolution, connect, TLS, or no free connection."""

    reason: str
    """name_resolution, connect, connect_timeout, tls, proxy, no_connection, bad_address"""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The message may have been sent or not. Never sent again by itself."""

    reason: str
    """timeout, reset, server_error, queued, no_id, unreadable_answer, no_verdict, contradictory, unexpected_status"""
    error: str | None = None


Outcome = Accepted | Rejected | NotTransmitted | Unknown
