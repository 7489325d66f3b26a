"""One medium's place at the ledger: is there anything to do, and may its channel be tried? What all claims share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from consumer.clock import Clock, Millis
from consumer.deliver.channel.circuit_breaker import asks_first, may_probe, still_silent
from consumer.deliver.channel.rate_limit import Pace
from consumer.deliver.unit_of_work import Key, booking
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
class Look:
    """What is seen without taking anything."""

    work: bool
    stopped_because: str | None
    asks_first: bool
    """A probe is due, and the channel's status has to be asked before."""


@dataclass(frozen=True, slots=True)
class Claim(Generic[M]):
    """What came of a batch: how many rows were decided about, and the attempts. The lease ends at both moments."""

    rows: int
    attempts: Sequence[Attempt[M]]
    lease_until: Millis
    steady_until: Millis


class Desk:
    """Blocks its thread."""

    def __init__(self, ledger: Ledger, *, medium: str, pace: Pace, clock: Clock, metrics: DeliverMetrics) -> None:
        self._ledger = ledger
        self._medium = medium
        self._pace = pace
        self._clock = clock
        self._metrics = metrics

    def look(self) -> Look:
        """Whether there is anything to do: cheap, and it holds nobody up."""
        now = self._clock.wall()
        with self._ledger.reading() as connection:
            channel = queries.facts.channels_of(connection, self._medium)[self._medium]
            work = may_probe(channel, now) or queries.reminders.anything_due(connection, self._medium, now)
            work = work and self._pace.seen(connection, now, 1) > 0
        return Look(work, channel.stopped_because, asks_first(channel, now))

    def put_off_probe(self) -> None:
        """The channel does not say that it is connected: no message is risked yet."""
        with booking(self._ledger, self._metrics, self._clock.wall()) as book:
            state = queries.facts.channels_of(book.connection, self._medium, lock=True)[self._medium]
            if asks_first(state, book.now):  # (another replica may have asked as well)
                queries.facts.put_channel(book.connection, still_silent(state, book.now))


def one_each(rows: Iterable[ReminderRow]) -> list[ReminderRow]:
    """One row for each user: what is written to somebody now counts for what is decided about them next."""
    firsts: dict[str, ReminderRow] = {}
    for row in rows:
        firsts.setdefault(row.user_id, row)
    return list(firsts.values())


def journalled(row: ReminderRow | None, attempt: Attempt[M]) -> dict[str, object]:
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
