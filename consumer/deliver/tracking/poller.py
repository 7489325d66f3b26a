"""Follows what went out: leases that ended, unknowns that nothing settled, messages without a report.

hookInfo is asked about accepted and sent messages without a report, the message list about attempts without an answer;
each message less and less often. What they return is applied in the same way as the webhook's reports.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import structlog

from consumer.clock import DAY, HOUR, MINUTE, Clock, Millis
from consumer.deliver.channel.circuit_breaker import WhatsAppClient
from consumer.deliver.lifecycle import OutcomeUnknown, StatusSource, TimedOut
from consumer.deliver.message_ids import is_digest
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.recipients.identity import KnownPhones, phone_hashes
from consumer.deliver.tracking.message_matching import MAX_DELAY_MS, MAX_LAG_MS
from consumer.deliver.tracking.reconciliation import ReceivedEcho, match_open_attempts, record_echoes
from consumer.deliver.tracking.restored_attempts import RebuildMessages, searched_since, with_messages
from consumer.deliver.tracking.status_reports import ReceivedReport, apply_parked_reports, apply_reports
from consumer.deliver.unit_of_work import UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.api_errors import OneMsgError
from consumer.trace_context import log_fields

KEPT_FOR = DAY
"""For how long reports wait for their message, and unreadable webhook bodies are kept."""

_PARKED_RECENTLY = 15 * MINUTE
_BATCH = 500
_MAX_POLLS = 100
_CONCURRENT_POLLS = 10
T = TypeVar("T")
log = structlog.get_logger()


class _FailureLog:
    """Logs the first failure of a kind, and no more of them until a round has passed without one: a wrong token would
    else be told once for each reminder."""

    def __init__(self) -> None:
        self._before: set[tuple[str, str]] = set()
        self._now: set[tuple[str, str]] = set()

    def note(self, event: str, error: OneMsgError) -> None:
        key = event, error.kind.value
        if key not in self._before | self._now:
            log.warning(event, error=str(error))
        self._now.add(key)

    def end_round(self) -> None:
        self._before, self._now = self._now, set()


class Poller:
    """Asks 1MSG after `poll_after` without a report, and not beyond `give_up_after`. Spans are milliseconds."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        medium: str,
        client: WhatsAppClient,
        poll_after: Millis,
        give_up_after: Millis,
        retry_policy: RetryPolicy,
        rebuild: RebuildMessages,
        clock: Clock,
        metrics: DeliverMetrics,
    ) -> None:
        self._rebuild = rebuild
        self._ledger = ledger
        self._medium = medium
        self._client = client
        self._poll_after = poll_after
        self._give_up_after = give_up_after
        self._retry_policy = retry_policy
        self._clock = clock
        self._metrics = metrics
        self._failures = _FailureLog()
        self.detail: str | None = None
        """How many reminders are in doubt, for people; None if there are none."""

    async def step(self) -> int:
        """Do everything once. Returns how many reminders and reports were handled; raises what the ledger raises."""
        handled = await asyncio.to_thread(self._expire_and_match)
        silent = await asyncio.to_thread(self._take_silent)
        has_id = (row for row in silent if row.message_id is not None and not is_digest(row.message_id))
        reports = await _ask_each(self._reports_of, has_id)
        messages = await _ask_each(self._messages_to, (row for row in silent if row.unknown_since is not None))
        if silent:
            self._failures.end_round()
            await asyncio.to_thread(self._apply, reports, messages, silent)
        return handled + len(silent)

    def _expire_and_match(self) -> int:
        now = self._clock.now()
        with unit_of_work(self._ledger, self._metrics, now) as work:
            if not queries.replicas.try_advisory_lock(work.connection, "tracker"):
                return 0  # another replica does it
            expired = _expire_leases(work)
            given_up = work.add_locked(
                queries.reminders.lock_unknown_since(work.connection, now - self._give_up_after, _BATCH)
            )
            for row in given_up:
                work.apply_event(row.key, TimedOut())
            # Reports that were parked at the moment in which another replica stored their message's id.
            crossed = queries.inbox.known_messages_with_parked_reports(work.connection, now - _PARKED_RECENTLY, _BATCH)
            matched = apply_parked_reports(work, crossed, self._retry_policy)
            queries.inbox.delete_parked_and_kept_before(work.connection, now - KEPT_FOR)
            queries.recipients.delete_expired_holds(work.connection, now)
            queries.inbox.delete_echoes_before(work.connection, now - KEPT_FOR)
            match_open_attempts(work, phone_hashes(expired, work.hash_key), self._retry_policy)
        self._measure()
        return len(expired) + len(given_up) + matched

    def _measure(self) -> None:
        with self._ledger.reading() as connection:
            in_doubt = queries.reminders.count_in_doubt(connection)
            self._metrics.unknown_sends.set(in_doubt["unknown"])
            self._metrics.unresolved.set(in_doubt["unresolved"])
            counts = ", ".join(f"{status}: {number}" for status, number in in_doubt.items())
            self.detail = f"{counts} (lapse resolve)" if any(in_doubt.values()) else None
            self._metrics.parked_reports.set(queries.inbox.count_parked_reports(connection))

    def _take_silent(self) -> list[ReminderRow]:
        """Return messages to ask about; each is put off until its next poll, so that no other replica asks as well."""
        now = self._clock.now()
        with unit_of_work(self._ledger, self._metrics, now) as work:
            silent = queries.reminders.lock_quiet_since(
                work.connection, self._medium, now - self._poll_after, _MAX_POLLS
            )
            to_poll = []
            for row in work.add_locked(silent):
                if self._give_up_at(row) > now:
                    asked = row._replace(polls=row.polls + 1, quiet_since=self._next_quiet_from(row, now))
                    work.update(asked)
                    to_poll.append(asked)
                elif row.unknown_since is None:
                    work.apply_event(row.key, TimedOut())
                else:  # an unknown is given up by `unknown_since`
                    work.update(row._replace(quiet_since=None))
            return with_messages(work, to_poll, self._rebuild)

    def _give_up_at(self, row: ReminderRow) -> Millis:
        """Return when to stop asking about this message."""
        return (row.attempted_at or 0) + self._give_up_after

    def _next_quiet_from(self, row: ReminderRow, now: Millis) -> Millis:
        """Return from when silence counts again: each wait is twice the one before, at most an hour."""
        wait = min(self._poll_after << min(row.polls + 1, 20), max(HOUR, self._poll_after))
        return min(now + wait, max(self._give_up_at(row), now + self._poll_after)) - self._poll_after

    async def _reports_of(self, row: ReminderRow) -> list[ReceivedReport]:
        assert row.message_id is not None
        try:
            reports = await self._client.hook_info(row.message_id)
        except OneMsgError as error:  # it is polled again
            self._failures.note("poll_failed", error)
            return []
        return [ReceivedReport(report, StatusSource.POLL, self._clock.now()) for report in reports]

    async def _messages_to(self, row: ReminderRow) -> list[ReceivedEcho]:
        """Return what the message list shows for an attempt without an answer. An empty list proves nothing."""
        since = searched_since(row)
        if row.phone is None or row.attempted_at is None or since is None:
            return []
        try:
            listed = await self._client.messages(row.phone, since - MAX_LAG_MS)
        except OneMsgError as error:  # it is polled again
            self._failures.note("list_failed", error)
            return []
        timed = [echo for echo in listed if echo.at is not None and echo.at <= row.attempted_at + MAX_DELAY_MS]
        return [ReceivedEcho(echo, StatusSource.CHECK, self._clock.now()) for echo in timed]

    def _apply(
        self, reports: Sequence[ReceivedReport], echoes: Sequence[ReceivedEcho], rows: Sequence[ReminderRow]
    ) -> None:
        with unit_of_work(self._ledger, self._metrics, self._clock.now()) as work:
            apply_reports(work, reports, self._retry_policy)
            record_echoes(work, echoes, KnownPhones(work, [each.mention for each in echoes]), self._retry_policy)
            unknown = phone_hashes((row for row in rows if row.unknown_since is not None), work.hash_key)
            match_open_attempts(work, unknown, self._retry_policy)


async def _ask_each(ask: Callable[[ReminderRow], Awaitable[list[T]]], rows: Iterable[ReminderRow]) -> list[T]:
    """Return all that `ask` returns for these rows, a few at a time."""
    slots = asyncio.Semaphore(_CONCURRENT_POLLS)

    async def ask_one(row: ReminderRow) -> list[T]:
        async with slots:
            return await ask(row)

    answers = await asyncio.gather(*map(ask_one, rows))
    return [each for answer in answers for each in answer]


def _expire_leases(work: UnitOfWork) -> list[ReminderRow]:
    """Make attempts unknown whose lease has ended: their process is gone or was suspended."""
    expired = work.add_locked(queries.reminders.lock_expired_leases(work.connection, work.now, _BATCH))
    for row in expired:
        fields = {"reminder_id": row.reminder_id, "attempt": row.attempts, **log_fields(row.traceparent)}
        log.warning("attempt_unknown", worker=row.claimed_by, **fields)
        work.apply_event(row.key, OutcomeUnknown("lease_ran_out", StatusSource.CHECK))
    end = {"outcome": "unknown", "reason": "lease_ran_out", "finished_at": work.now}
    queries.attempts.record_outcomes(
        work.connection, [{"key": row.key, "number": row.attempts, **end} for row in expired]
    )
    return expired
