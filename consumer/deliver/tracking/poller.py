"""Looks after what went out: leases that ran out, unknowns nobody could settle, messages of which we hear nothing.

hookInfo is asked about accepted and sent messages whose webhook stays silent, the message list about attempts that got
no answer; both ever less often. They tell the same as the webhook, and are applied the same way.
"""

import asyncio
from collections.abc import Sequence

import structlog

from consumer.clock import DAY, HOUR, MINUTE, Clock, Millis
from consumer.deliver.channel.circuit_breaker import WhatsAppChannel
from consumer.deliver.lifecycle import OutcomeUnknown, StatusSource, TimedOut
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.tracking import reconciliation, status_reports
from consumer.deliver.tracking.message_matching import AFTER, BEFORE, SeenMessage
from consumer.deliver.tracking.status_reports import ReceivedReport
from consumer.deliver.unit_of_work import UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.api_errors import OneMsgError

KEPT_FOR = DAY
"""How long reports wait for their message, and how long bodies that we could not read are kept."""

_CROSSED = 15 * MINUTE
_MOST = 500
_POLLS = 100
_POLLS_AT_ONCE = 10
log = structlog.get_logger()


class Poller:
    """Spans are milliseconds: `poll_after` of silence hookInfo is asked, after `give_up_after` no longer."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        medium: str,
        channel: WhatsAppChannel,
        poll_after: Millis,
        give_up_after: Millis,
        limits: RetryPolicy,
        clock: Clock,
        metrics: DeliverMetrics,
    ) -> None:
        self._ledger = ledger
        self._medium = medium
        self._channel = channel
        self._poll_after = poll_after
        self._give_up_after = give_up_after
        self._limits = limits
        self._clock = clock
        self._metrics = metrics
        self.detail: str | None = None
        """What is in doubt, for people."""

    async def step(self) -> int:
        """Everything once. Returns how many reminders and reports were looked at; raises what the ledger raised."""
        moved = await asyncio.to_thread(self._settle)
        silent = await asyncio.to_thread(self._take_silent)
        heard = await self._ask(silent)
        seen = await self._look_for(silent)
        if silent:
            await asyncio.to_thread(self._apply, heard, seen, silent)
        return moved + len(silent)

    def _settle(self) -> int:
        now = self._clock.now()
        with unit_of_work(self._ledger, self._metrics, now) as work:
            if not queries.replicas.try_advisory_lock(work.connection, "tracker"):
                return 0  # another replica sees to all of it
            lost = _lose(work)
            given_up = queries.reminders.lock_unknown_since(work.connection, now - self._give_up_after, _MOST)
            work.add_locked(given_up)
            for row in given_up:
                work.apply_event(row.key, TimedOut())
            # Parked in the same moment in which another replica learned the id.
            crossed = queries.inbox.known_messages_with_parked_reports(work.connection, now - _CROSSED, _MOST)
            matched = status_reports.apply_parked(work, crossed, self._limits)
            queries.inbox.delete_parked_and_kept_before(work.connection, now - KEPT_FOR)
            queries.recipients.delete_expired_holds(work.connection, now)
            queries.inbox.delete_echoes_before(work.connection, now - KEPT_FOR)
            reconciliation.settle(work, {row.phone for row in lost if row.phone}, self._limits)
        self._count()
        return len(lost) + len(given_up) + matched

    def _count(self) -> None:
        with self._ledger.reading() as connection:
            in_doubt = queries.reminders.count_in_doubt(connection)
            self._metrics.unknown_sends.set(in_doubt["unknown"])
            self._metrics.unresolved.set(in_doubt["unresolved"])
            said = ", ".join(f"{name}: {number}" for name, number in in_doubt.items())
            self.detail = f"{said} (lapse resolve)" if any(in_doubt.values()) else None
            self._metrics.parked_reports.set(queries.inbox.count_parked_reports(connection))

    def _take_silent(self) -> list[ReminderRow]:
        """Messages to ask about, each put off until its next turn, so that no other replica asks as well."""
        now = self._clock.now()
        with unit_of_work(self._ledger, self._metrics, now) as work:
            silent = queries.reminders.lock_quiet_since(work.connection, self._medium, now - self._poll_after, _POLLS)
            work.add_locked(silent)
            still = []
            for row in silent:
                if self._over(row) > now:
                    work.update(row._replace(polls=row.polls + 1, quiet_from=self._next(row, now)))
                    still.append(row)
                elif row.unknown_since is None:
                    work.apply_event(row.key, TimedOut())
                else:  # (what is unknown is given up from the moment on at which it became so)
                    work.update(row._replace(quiet_from=None))
        return still

    def _over(self, row: ReminderRow) -> Millis:
        """When there is no sense in asking any more."""
        return (row.attempted_at or 0) + self._give_up_after

    def _next(self, row: ReminderRow, now: Millis) -> Millis:
        """From when silence counts again: each turn waits twice as long as the one before, at most an hour."""
        wait = min(self._poll_after << min(row.polls + 1, 20), max(HOUR, self._poll_after))
        return min(now + wait, max(self._over(row), now + self._poll_after)) - self._poll_after

    async def _ask(self, rows: Sequence[ReminderRow]) -> list[ReceivedReport]:
        turn = asyncio.Semaphore(_POLLS_AT_ONCE)
        answers = await asyncio.gather(*(self._ask_one(row, turn) for row in rows if row.message_id is not None))
        return [heard for answer in answers for heard in answer]

    async def _look_for(self, rows: Sequence[ReminderRow]) -> list[SeenMessage]:
        """What the message list shows where an attempt got no answer. That it shows nothing proves nothing."""
        turn = asyncio.Semaphore(_POLLS_AT_ONCE)
        unknown = [row for row in rows if row.unknown_since is not None]
        answers = await asyncio.gather(*(self._look_for_one(row, turn) for row in unknown))
        return [seen for answer in answers for seen in answer]

    async def _look_for_one(self, row: ReminderRow, turn: asyncio.Semaphore) -> list[SeenMessage]:
        if row.phone is None or row.attempted_at is None:
            return []
        async with turn:
            try:
                listed = await self._channel.messages(row.phone, row.attempted_at - BEFORE)
            except OneMsgError as error:  # its next turn comes
                log.warning("list_failed", reminder=row.reminder_id, error=str(error))
                return []
        timed = [echo for echo in listed if echo.at is not None and echo.at <= row.attempted_at + AFTER]
        return reconciliation.seen(timed, StatusSource.CHECK, self._clock.now())

    async def _ask_one(self, row: ReminderRow, turn: asyncio.Semaphore) -> list[ReceivedReport]:
        assert row.message_id is not None
        async with turn:
            try:
                told = await self._channel.hook_info(row.message_id)
            except OneMsgError as error:  # its next turn comes
                log.warning("poll_failed", reminder=row.reminder_id, error=str(error))
                return []
        return [ReceivedReport(report, StatusSource.POLL, self._clock.now()) for report in told]

    def _apply(self, heard: Sequence[ReceivedReport], seen: Sequence[SeenMessage], rows: Sequence[ReminderRow]) -> None:
        with unit_of_work(self._ledger, self._metrics, self._clock.now()) as work:
            status_reports.apply(work, heard, self._limits)
            reconciliation.notice(work, seen, self._limits)
            unknown = {row.phone for row in rows if row.unknown_since is not None and row.phone is not None}
            reconciliation.settle(work, unknown, self._limits)


def _lose(work: UnitOfWork) -> list[ReminderRow]:
    """Attempts whose lease is over: whoever sent them is gone, or as good as."""
    over = queries.reminders.lock_expired_leases(work.connection, work.now, _MOST)
    work.add_locked(over)
    for row in over:
        log.warning("attempt_unknown", reminder=row.reminder_id, attempt=row.attempts, worker=row.claimed_by)
        work.apply_event(row.key, OutcomeUnknown("lease_ran_out", StatusSource.CHECK))
    ends = [
        {
            "key": row.key,
            "number": row.attempts,
            "outcome": "unknown",
            "reason": "lease_ran_out",
            "finished_at": work.now,
        }
        for row in over
    ]
    queries.attempts.record_outcomes(work.connection, ends)
    return over
