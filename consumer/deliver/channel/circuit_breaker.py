"""The channel as deliver sees it: what it must be able to do, and what of it is stopped. The states are pure.

Two things can be stopped, by the same rule: a medium's whole channel, and one template on it. Whatever is stopped is
tried again with one probing message after a pause, and each fruitless probe makes the next pause longer.
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
"""Attempts in a row without a clear answer, after which the next one would be one too many (design §5)."""


UNREACHABLE_REASONS = frozenset({"no_answers", "not_reachable"})
"""Stopped because nothing answered: before a message is risked, the channel's status is asked."""


class MediumClient(Protocol[M]):
    """Whatever carries one medium's messages."""

    async def send_template(self, message: M) -> Outcome:
        """Tries once. Every answer and every failure is an Outcome."""
        ...

    async def status(self) -> ChannelStatus:
        """Whether the channel is connected. Raises OneMsgError."""
        ...


class WhatsAppChannel(MediumClient[TemplateMessage], Protocol):
    """1MSG, or something that behaves like it."""

    async def hook_info(self, message_id: str) -> tuple[StatusReport, ...]:
        """What is known of a message. Raises OneMsgError."""
        ...

    async def messages(self, recipient: str, since: Millis) -> list[Echo]:
        """Our messages to this number (digits) since then. Raises OneMsgError."""
        ...


def template_key(medium: str, template: str | None, language: str | None) -> str:
    """The name under which a template's state is kept, beside its medium's."""
    return f"{medium}/{template}/{language}"


def probe_is_due(state: ChannelRow, now: Millis) -> bool:
    """Whether what is stopped is to be tried with one message."""
    return state.stopped_because is not None and state.probe_at is not None and now >= state.probe_at


def needs_status_check(state: ChannelRow, now: Millis) -> bool:
    """Whether the channel has to answer a harmless question before a probing message leaves (design §5)."""
    return probe_is_due(state, now) and state.stopped_because in UNREACHABLE_REASONS


def after_failed_status_check(state: ChannelRow, now: Millis) -> ChannelRow:
    """The state after that question got no good answer: as after a fruitless probe."""
    stops = state.stops + 1
    return replace(state, probe_at=now + wait(Remedy.CHANNEL, stops), stops=stops)


def channel_breaker_after(state: ChannelRow, outcome: Outcome, started_at: Millis, now: Millis) -> ChannelRow:
    """The channel's state after an attempt that started at `started_at` came back.

    A refusal that concerns the whole channel stops it, and so do five attempts in a row that got no clear answer.
    """
    if isinstance(outcome, Rejected) and outcome.remedy is Remedy.CHANNEL and not outcome.template:
        return _stopped(state, outcome.reason, started_at, now, outcome.retry_after)
    if isinstance(outcome, Unknown | NotTransmitted):
        silent = replace(state, silences=state.silences + 1)
        if silent.silences < UNKNOWNS_TO_OPEN and state.stopped_because is None:
            return silent
        reason = "not_reachable" if isinstance(outcome, NotTransmitted) else "no_answers"
        return _stopped(silent, state.stopped_because or reason, started_at, now)
    if state.stopped_because is None:
        return replace(state, silences=0) if state.silences else state
    if isinstance(outcome, Rejected) and outcome.remedy in {Remedy.SLOW, Remedy.TRANSIENT}:
        return _stopped(state, state.stopped_because, started_at, now, outcome.retry_after)
    return _opened(state, started_at)


def template_breaker_after(state: ChannelRow, outcome: Outcome, started_at: Millis, now: Millis) -> ChannelRow:
    """Likewise for the template that the attempt used: one refusal that names it stops it."""
    if isinstance(outcome, Rejected) and outcome.template:
        return _stopped(state, outcome.reason, started_at, now, outcome.retry_after)
    if isinstance(outcome, Accepted) and state.stopped_because is not None:
        return _opened(state, started_at)
    return state


def _stopped(
    state: ChannelRow, reason: str, started_at: Millis, now: Millis, retry_after: Millis | None = None
) -> ChannelRow:
    if state.stopped_at is None:
        first = wait(Remedy.CHANNEL, 1, retry_after)
        return replace(state, stopped_because=reason, stopped_at=now, probe_at=now + first, stops=1)
    if started_at <= state.stopped_at:
        return state  # it was on its way already: no probe
    stops = state.stops + 1
    pause = wait(Remedy.CHANNEL, stops, retry_after)
    return replace(state, stopped_because=reason, probe_at=now + pause, stops=stops)


def _opened(state: ChannelRow, started_at: Millis) -> ChannelRow:
    """Only by an attempt that started after the stop: others were on their way before."""
    if state.stopped_at is not None and started_at <= state.stopped_at:
        return state
    return ChannelRow(state.name)
