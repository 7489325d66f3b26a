"""Opens and closes circuit breakers after outcomes and reports; wakes what waited for one that closes."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from consumer.clock import Millis
from consumer.deliver.channel.circuit_breaker import (
    breaker_after_delivery,
    channel_breaker_after,
    template_breaker_after,
    template_key,
)
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


def update_breakers(work: UnitOfWork, outcomes: Sequence[AttemptOutcome], *, reported: bool = False) -> None:
    """Apply these outcomes, in order, to the breakers of the media and templates that they used.

    `reported`: 1MSG had accepted the messages, and reported the outcomes later.
    """
    for medium in sorted({each.row.medium for each in outcomes}):
        before = queries.channels.states(work.connection, medium, lock=True)
        states = dict(before)
        for each in outcomes:
            if each.row.medium == medium:
                template = template_key(medium, each.row.template, each.row.language)
                state = states.get(template, ChannelRow(template))
                told = each.outcome, each.started_at, work.now
                states[medium] = channel_breaker_after(states[medium], *told, reported=reported)
                states[template] = template_breaker_after(state, *told, reported=reported)
        for name, state in states.items():
            _save(work, medium, before.get(name, ChannelRow(name)), state)


def close_after_deliveries(work: UnitOfWork, delivered: Sequence[ReminderRow]) -> None:
    """Close the breakers that a report had opened and that one of these messages has passed since."""
    for medium in sorted({row.medium for row in delivered}):
        if not any(each.opened_by_report for each in queries.channels.states(work.connection, medium).values()):
            continue
        before = queries.channels.states(work.connection, medium, lock=True)
        for row in delivered:
            for name in (medium, template_key(medium, row.template, row.language)):
                if row.medium == medium and name in before and row.attempted_at is not None:
                    closed = breaker_after_delivery(before[name], row.attempted_at)
                    _save(work, medium, before[name], closed)
                    before[name] = closed


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
        log.error("breaker_opened", breaker=state.name, reason=state.stopped_because, error=state.error)
