"""What can come of one attempt to send: a closed set, decided by contract §3 and nothing else.

Only `Rejected` and `NotTransmitted` are certain not to have reached anybody, so only they may be tried again.
"""

from dataclasses import dataclass
from enum import StrEnum

from consumer.clock import Millis


class Remedy(StrEnum):
    """What a refusal means for this reminder, its recipient and the channel (classes of contract §10)."""

    MESSAGE = "message"
    """P-msg: this message will never be taken. Final."""
    RECIPIENT = "recipient"
    """P-rcpt: this recipient cannot be reached. Final here; a reason for another medium."""
    OPT_OUT = "opt_out"
    """The recipient asked for no more of this. Final, and kept as an opt-out."""
    CHANNEL = "channel"
    """CFG: template, account or credential. Nothing will pass until somebody mends it: stop the channel."""
    SLOW = "slow"
    """The channel's rate was exceeded: back off, all of it."""
    PAIR = "pair"
    """The rate towards this recipient was exceeded: back off for this recipient only."""
    DAY = "day"
    """Not before 24 hours have passed for this recipient."""
    TRANSIENT = "transient"
    """A short back-off and few tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """`sent: true` with an id. Nothing more is known."""

    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """1MSG said no: certainly not accepted. `reason` is a label; `error` is the provider's text, made safe to log."""

    reason: str
    remedy: Remedy
    error_code: int | None = None
    error: str | None = None
    retry_after: Millis | None = None
    """A span: not before it is over, whatever the back-off says."""
    template: bool = False
    """With `Remedy.CHANNEL`: only this template is unusable; the channel's others go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTransmitted:
    """The request certainly never left: name resolution, connect, TLS, or no free connection."""

    reason: str
    """name_resolution, connect, connect_timeout, tls, proxy, no_connection, bad_address"""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """It may have been sent, or not. Never sent again by itself."""

    reason: str
    """timeout, reset, server_error, queued, no_id, unreadable_answer, no_verdict, contradictory, unexpected_status"""
    error: str | None = None


Outcome = Accepted | Rejected | NotTransmitted | Unknown
