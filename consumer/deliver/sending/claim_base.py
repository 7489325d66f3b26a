"""One medium's place at the ledger: is there anything to do, and may its channel be tried? What all claims share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from consumer.clock import Clock, Millis
from consumer.deliver.channel.circuit_breaker import after_failed_status_check, needs_status_check, probe_is_due
from consumer.deliver.channel.rate_limit import RateLimit
from consumer.deliver.unit_of_work import Key, unit_of_work
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics

M = TypeVar("M")
"""What is sent: a template message, or a fallback's."""


@dataclass(frozen=True, slots=True)
class Attempt(Generic[M]):
    """One journalled attempt, ready to leave."""

    key: Key
    number: int
    started_at: Millis
    lapsed_at: Millis
    message: M


@dataclass(frozen=True, slots=True)
class ClaimPreview:
    """What is seen without taking anything."""

    work: bool
    stopped_because: str | None
    needs_status_check: bool
    """A probe is due, and the channel's status has to be asked before."""


@dataclass(frozen=True, slots=True)
class Claim(Generic[M]):
    """What came of a batch: how many rows were decided about, and the attempts. The lease ends at both moments."""

    rows: int
    attempts: Sequence[Attempt[M]]
    lease_until: Millis
    lease_until_monotonic: Millis


class ClaimBase:
    """Blocks its thread."""

    def __init__(
        self, ledger: Ledger, *, medium: str, rate_limit: RateLimit, clock: Clock, metrics: DeliverMetrics
    ) -> None:
        self._ledger = ledger
        self._medium = medium
        self._rate_limit = rate_limit
        self._clock = clock
        self._metrics = metrics

    def preview(self) -> ClaimPreview:
        """Whether there is anything to do: cheap, and it holds nobody up."""
        now = self._clock.now()
        with self._ledger.reading() as connection:
            channel = queries.channels.states(connection, self._medium)[self._medium]
            work = probe_is_due(channel, now) or queries.reminders.any_due(connection, self._medium, now)
            work = work and self._rate_limit.peek(connection, now, 1) > 0
        return ClaimPreview(work, channel.stopped_because, needs_status_check(channel, now))

    def postpone_probe(self) -> None:
        """The channel does not say that it is connected: no message is risked yet."""
        with unit_of_work(self._ledger, self._metrics, self._clock.now()) as work:
            state = queries.channels.states(work.connection, self._medium, lock=True)[self._medium]
            if needs_status_check(state, work.now):  # (another replica may have asked as well)
                queries.channels.put_state(work.connection, after_failed_status_check(state, work.now))


def one_per_user(rows: Iterable[ReminderRow]) -> list[ReminderRow]:
    """One row for each user: what is written to somebody now counts for what is decided about them next."""
    firsts: dict[str, ReminderRow] = {}
    for row in rows:
        firsts.setdefault(row.user_id, row)
    return list(firsts.values())


def attempt_row(row: ReminderRow | None, attempt: Attempt[M]) -> dict[str, object]:
    """The attempt as a row of `tables.attempts`, before it leaves."""
    assert row is not None
    return {
        "reminder_id": row.reminder_id,
        "medium": row.medium,
        "number": attempt.number,
        "user_id": row.user_id,
        "process": row.process,
        "step": row.step,
        "started_at": attempt.started_at,
        "outcome": "sending",
        "may_have_gone": True,
        "phone": row.phone,
    }
