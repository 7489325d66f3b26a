"""What deliver needs of a channel, and the circuit breakers that stop it. The breakers are pure.

There is one breaker for a medium's whole channel and one for each template on it, by the same rule. An open breaker
lets one probing message through after a pause, and each failed probe makes the next pause longer. One that a later
report opened is not closed by an acceptance, since the failed messages had been accepted as well.
"""

from dataclasses import replace
from typing import Protocol, TypeVar

from consumer.clock import MINUTE, Millis
from consumer.deliver.policy.failure_pattern import REPEATED_FAILURE
from consumer.ledger.schema.rows import ChannelRow
from consumer.onemsg.backoff import wait
from consumer.onemsg.client import ChannelStatus
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Remedy, Unknown
from consumer.onemsg.webhook.notifications import Echo, StatusReport

M = TypeVar("M", contravariant=True)

UNKNOWNS_TO_OPEN = 5
"""Attempts in a row without a clear answer that open the breaker (ARCHITECTURE.md#circuit-breaker)."""

REPORT_WAIT: Millis = 15 * MINUTE
"""How long to wait for what is reported of an accepted probe, where the failure before was reported, too."""

_CHANNEL = Remedy.CHANNEL

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
    (ARCHITECTURE.md#circuit-breaker)."""
    return probe_is_due(state, now) and state.stopped_because in UNREACHABLE_REASONS


def after_failed_status_check(state: ChannelRow, now: Millis) -> ChannelRow:
    """Return the breaker after the channel did not answer that it is connected: as after a failed probe."""
    stops = state.stops + 1
    return replace(state, probe_at=now + wait(Remedy.CHANNEL, stops), stops=stops)


def channel_breaker_after(
    state: ChannelRow, outcome: Outcome, started_at: Millis, now: Millis, *, reported: bool = False
) -> ChannelRow:
    """Return the channel's breaker after the outcome of an attempt that started at `started_at`.

    A refusal that concerns the whole channel opens it, and so do five attempts in a row without a clear answer.
    `reported`: the outcome was reported later, after 1MSG had accepted the message.
    """
    if isinstance(outcome, Rejected) and outcome.remedy is Remedy.CHANNEL and not outcome.template:
        return _opened(state, outcome, started_at, now, reported=reported)
    if isinstance(outcome, Unknown | NotTransmitted):
        counted = replace(state, unclear_attempts=state.unclear_attempts + 1)
        if counted.unclear_attempts < UNKNOWNS_TO_OPEN and state.stopped_because is None:
            return counted
        reason = "not_reachable" if isinstance(outcome, NotTransmitted) else "no_answers"
        return _opened(counted, Rejected(reason=state.stopped_because or reason, remedy=_CHANNEL), started_at, now)
    if state.stopped_because is None:
        return replace(state, unclear_attempts=0) if state.unclear_attempts else state
    if isinstance(outcome, Rejected):
        passing = outcome.remedy in {Remedy.SLOW, Remedy.TRANSIENT}
        if passing or state.stopped_because == REPEATED_FAILURE:  # another failure shows nothing about the repeated one
            return _opened(state, replace(outcome, reason=state.stopped_because, error=state.error), started_at, now)
    return _after_accepted_probe(state, started_at)


def template_breaker_after(
    state: ChannelRow, outcome: Outcome, started_at: Millis, now: Millis, *, reported: bool = False
) -> ChannelRow:
    """Return the breaker of the template that the attempt used: one refusal that concerns the template opens it."""
    if isinstance(outcome, Rejected) and outcome.template:
        return _opened(state, outcome, started_at, now, reported=reported)
    if isinstance(outcome, Accepted) and state.stopped_because is not None:
        return _after_accepted_probe(state, started_at)
    return state


def breaker_after_delivery(state: ChannelRow, started_at: Millis) -> ChannelRow:
    """Return a breaker after a message was delivered whose attempt started at `started_at`."""
    return _closed(state, started_at) if state.opened_by_report else state


def _opened(
    state: ChannelRow, refusal: Rejected, started_at: Millis, now: Millis, *, reported: bool = False
) -> ChannelRow:
    state = replace(state, opened_by_report=state.opened_by_report or reported)
    if state.stopped_at is None:
        first = now + wait(_CHANNEL, 1, refusal.retry_after)
        opened = replace(state, stopped_because=refusal.reason, error=refusal.error, stopped_at=now)
        return replace(opened, probe_at=first, stops=1, accepted_probe_at=None)
    if started_at <= state.stopped_at:
        return state  # it had left before the breaker opened: not a probe
    stops = state.stops + 1
    state = replace(state, stopped_because=refusal.reason, error=refusal.error, stops=stops, accepted_probe_at=None)
    return replace(state, probe_at=now + wait(_CHANNEL, stops, refusal.retry_after))


def _after_accepted_probe(state: ChannelRow, started_at: Millis) -> ChannelRow:
    """Close it, unless a report opened it: then the acceptance alone shows nothing.

    A delivery closes that one, or a second acceptance REPORT_WAIT after the first with no failure reported meanwhile.
    """
    if not state.opened_by_report:
        return _closed(state, started_at)
    if state.stopped_at is not None and started_at <= state.stopped_at:
        return state
    if state.accepted_probe_at is not None and started_at >= state.accepted_probe_at + REPORT_WAIT:
        return _closed(state, started_at)
    first = started_at if state.accepted_probe_at is None else state.accepted_probe_at
    return replace(state, accepted_probe_at=first, probe_at=first + REPORT_WAIT)


def _closed(state: ChannelRow, started_at: Millis) -> ChannelRow:
    """Close it, if the attempt started after it opened."""
    if state.stopped_at is not None and started_at <= state.stopped_at:
        return state
    return ChannelRow(state.name)
