"""Stops and opens the channel and its templates, as answers and reports say; what waited for one that opens is due."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from consumer.clock import Millis
from consumer.deliver.channel.circuit_breaker import channel_breaker_after, template_breaker_after, template_key
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.schema.rows import ChannelRow, ReminderRow
from consumer.onemsg.outcomes import Outcome

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """An attempt for this row, and what it says about the channel."""

    row: ReminderRow
    started_at: Millis
    outcome: Outcome


def update_breakers(work: UnitOfWork, tried: Sequence[AttemptOutcome]) -> None:
    """Let the channels and templates that these attempts used take note, in order."""
    for medium in sorted({each.row.medium for each in tried}):
        before = queries.channels.states(work.connection, medium, lock=True)
        states = dict(before)
        for each in tried:
            if each.row.medium == medium:
                template = template_key(medium, each.row.template, each.row.language)
                known = states.get(template, ChannelRow(template))
                states[medium] = channel_breaker_after(states[medium], each.outcome, each.started_at, work.now)
                states[template] = template_breaker_after(known, each.outcome, each.started_at, work.now)
        for name, state in states.items():
            save_breaker(work, medium, before.get(name, ChannelRow(name)), state)


def save_breaker(work: UnitOfWork, medium: str, before: ChannelRow, state: ChannelRow) -> None:
    """Write a state that changed; wake what waited for it."""
    if state == before:
        return
    queries.channels.put_state(work.connection, state)
    whole = state.name == medium
    if before.stopped_because is not None and state.stopped_because is None:
        log.info("channel_opened", channel=state.name)
        queries.reminders.wake_deferred(
            work.connection, "channel_stopped" if whole else "template_unusable", medium=medium
        )
    elif before.stopped_because is None and state.stopped_because is not None:
        log.error("channel_stopped", channel=state.name, reason=state.stopped_because)
