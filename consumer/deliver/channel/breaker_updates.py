"""Opens and closes circuit breakers after outcomes and reports; wakes what waited for one that closes."""

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
    """What came of an attempt for this row."""

    row: ReminderRow
    started_at: Millis
    outcome: Outcome


def update_breakers(work: UnitOfWork, outcomes: Sequence[AttemptOutcome]) -> None:
    """Apply these outcomes, in order, to the breakers of the media and templates that they used."""
    for medium in sorted({each.row.medium for each in outcomes}):
        before = queries.channels.states(work.connection, medium, lock=True)
        states = dict(before)
        for each in outcomes:
            if each.row.medium == medium:
                template = template_key(medium, each.row.template, each.row.language)
                state = states.get(template, ChannelRow(template))
                states[medium] = channel_breaker_after(states[medium], each.outcome, each.started_at, work.now)
                states[template] = template_breaker_after(state, each.outcome, each.started_at, work.now)
        for name, state in states.items():
            _save(work, medium, before.get(name, ChannelRow(name)), state)


def _save(work: UnitOfWork, medium: str, before: ChannelRow, state: ChannelRow) -> None:
    """Write a breaker that changed, and wake what waited for it."""
    if state == before:
        return
    queries.channels.put_state(work.connection, state)
    is_channel = state.name == medium
    if before.stopped_because is not None and state.stopped_because is None:
        log.info("breaker_closed", breaker=state.name)
        queries.reminders.wake_deferred(
            work.connection, "channel_stopped" if is_channel else "template_unusable", medium=medium
        )
    elif before.stopped_because is None and state.stopped_because is not None:
        log.error("breaker_opened", breaker=state.name, reason=state.stopped_because)
