"""What deliver needs of a channel, and the circuit breakers that stop it. The breakers are pure.

There is one breaker for a medium's whole channel and one for each template on it, by the same rule. An open breaker
lets one probing message through after a pause, and each failed probe makes the next pause longer.
"""

from dataclasses import replace
from typing import Protocol, TypeVar

from consumer.clock import Millis
from consumer.ledger.schema.rows import ChannelRow
from consumer.onemsg.backoff import wait
from consumer.onemsg.client import ChannelStatus
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Remedy, Unknown
from consumer.onemsg.webhook.notifications import Echo, StatusReport

M = TypeVar("M", contravariant=True)

UNKNOWNS_TO_OPEN = 5
"""Attempts in a row without a clear answer that open the breaker (ARCHITECTURE.md#life-of-a-reminder)."""

UNREACHABLE_REASONS = frozenset({"no_answers", "not_reachable"})
"""Reasons for which the channel's status is asked before a probing message leaves: nothing had answered."""


class MediumClient(Protocol[M]):
    """Sends one medium's messages."""

    async def send_template(self, message: M) -> Outcome:
        """Try once. Every answer and every failure is an Outcome."""
        ...

    async def status(self) -> ChannelStatus:
        """Return whether the channel is connected. Raises OneMsgError."""
        ...


class WhatsAppClient(MediumClient[TemplateMessage], Protocol):
    """1MSG's API, or a stand-in."""

    async def hook_info(self, message_id: str) -> tuple[StatusReport, ...]:
        """Return the reports about a message. Raises OneMsgError."""
        ...

    async def messages(self, recipient: str, since: Millis) -> list[Echo]:
        """Return our messages to this number (digits) since that moment. Raises OneMsgError."""
        ...


def template_key(medium: str, template: str | None, language: str | None) -> str:
    """Return the name of a template's breaker; the channel's breaker has the name of the medium."""
    return f"{medium}/{template}/{language}"


def probe_is_due(state: ChannelRow, now: Millis) -> bool:
    """Return whether an open breaker lets a probing message through now."""
    return state.stopped_because is not None and state.probe_at is not None and now >= state.probe_at


def needs_status_check(state: ChannelRow, now: Millis) -> bool:
    """Return whether the channel's status must be asked before a probing message leaves
    (ARCHITECTURE.md#life-of-a-reminder)."""
    return probe_is_due(state, now) and state.stopped_because in UNREACHABLE_REASONS


def after_failed_status_check(state: ChannelRow, now: Millis) -> ChannelRow:
    """Return the breaker after the channel did not answer that it is connected: as after a failed probe."""
    stops = state.stops + 1
    return replace(state, probe_at=now + wait(Remedy.CHANNEL, stops), stops=stops)


def channel_breaker_after(state: ChannelRow, outcome: Outcome, started_at: Millis, now: Millis) -> ChannelRow:
    """Return the channel's breaker after the outcome of an attempt that started at `started_at`.

    A refusal that concerns the whole channel opens it, and so do five attempts in a row without a clear answer.
    """
    if isinstance(outcome, Rejected) and outcome.remedy is Remedy.CHANNEL and not outcome.template:
        return _opened(state, outcome.reason, started_at, now, outcome.retry_after)
    if isinstance(outcome, Unknown | NotTransmitted):
        counted = replace(state, unclear_attempts=state.unclear_attempts + 1)
        if counted.unclear_attempts < UNKNOWNS_TO_OPEN and state.stopped_because is None:
            return counted
        reason = "not_reachable" if isinstance(outcome, NotTransmitted) else "no_answers"
        return _opened(counted, state.stopped_because or reason, started_at, now)
    if state.stopped_because is None:
        return replace(state, unclear_attempts=0) if state.unclear_attempts else state
    if isinstance(outcome, Rejected) and outcome.remedy in {Remedy.SLOW, Remedy.TRANSIENT}:
        return _opened(state, state.stopped_because, started_at, now, outcome.retry_after)
    return _closed(state, started_at)


def template_breaker_after(state: ChannelRow, outcome: Outcome, started_at: Millis, now: Millis) -> ChannelRow:
    """Return the breaker of the template that the attempt used: one refusal that concerns the template opens it."""
    if isinstance(outcome, Rejected) and outcome.template:
        return _opened(state, outcome.reason, started_at, now, outcome.retry_after)
    if isinstance(outcome, Accepted) and state.stopped_because is not None:
        return _closed(state, started_at)
    return state


def _opened(
    state: ChannelRow, reason: str, started_at: Millis, now: Millis, retry_after: Millis | None = None
) -> ChannelRow:
    if state.stopped_at is None:
        first = wait(Remedy.CHANNEL, 1, retry_after)
        return replace(state, stopped_because=reason, stopped_at=now, probe_at=now + first, stops=1)
    if started_at <= state.stopped_at:
        return state  # it had left before the breaker opened: not a probe
    stops = state.stops + 1
    pause = wait(Remedy.CHANNEL, stops, retry_after)
    return replace(state, stopped_because=reason, probe_at=now + pause, stops=stops)


def _closed(state: ChannelRow, started_at: Millis) -> ChannelRow:
    """Close it, if the attempt started after it opened."""
    if state.stopped_at is not None and started_at <= state.stopped_at:
        return state
    return ChannelRow(state.name)
