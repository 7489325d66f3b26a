"""Decides about a batch of due reminders and journals those that may be sent, in one transaction, on any medium.

When a claim returns, each of its attempts is on the disk as `sending`, under a lease. After that its outcome is either
recorded or unknown: nothing sends it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic

import structlog

from consumer.clock import Clock, Millis
from consumer.deliver.channel.circuit_breaker import after_failed_status_check, needs_status_check, probe_is_due
from consumer.deliver.channel.rate_limit import RateLimit
from consumer.deliver.channel.recipient_quota import quota_for
from consumer.deliver.channel.template_choice import VariantChooser
from consumer.deliver.isolation import take_fewer
from consumer.deliver.lifecycle import Claimed, Suppress
from consumer.deliver.operations import ledger_restore
from consumer.deliver.policy.checks import Facts, judge
from consumer.deliver.policy.message_plan import TemplateVariant
from consumer.deliver.recipients.identity import text_hash
from consumer.deliver.sending.facts import FactsGatherer, SenderConfig
from consumer.deliver.sending.journal_check import JournalCheck
from consumer.deliver.sending.medium import Draft, M, Medium
from consumer.deliver.unit_of_work import Key, UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.errors import LedgerRegressed, is_about_a_value
from consumer.ledger.schema import migrations
from consumer.ledger.schema.rows import ChannelRow, ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.trace_context import log_fields

_PROBE_CANDIDATES = 10
"""Rows considered to find one that can be the probe of a stopped channel."""

_FAULTS = frozenset({None, "detect_behind", "contacts_behind", "channel_stopped", "template_unusable", "retry_later"})
"""Reasons of the last deferral, if any, after which a delay is one of the service; with all others a rule made it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Attempt(Generic[M]):
    """One journalled attempt, ready to leave."""

    key: Key
    number: int
    started_at: Millis
    lapsed_at: Millis
    held: bool
    """A rule had put it off before, and not a fault of ours or of the channel."""
    message: M
    hashes: Mapping[str, str | None]
    """`phone_hash`, `email_hash` and `text_hash`, as in `tables.attempts`."""
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimPreview:
    """What can be seen without claiming anything."""

    has_work: bool
    breakers: Mapping[str, ChannelRow]
    """Of the channel and of its templates, by name."""
    needs_status_check: bool
    """A probe is due, and the channel's status must be asked before."""


@dataclass(frozen=True, slots=True)
class Claim(Generic[M]):
    """A batch: how many rows were decided about, and the attempts. The lease ends at the earlier of two moments."""

    rows: int
    attempts: Sequence[Attempt[M]]
    lease_until: Millis
    lease_until_monotonic: Millis


class Claims(Generic[M]):
    """Claims due reminders of one medium. Blocks its thread."""

    def __init__(
        self,
        ledger: Ledger,
        medium: Medium[M],
        *,
        config: SenderConfig,
        rate: float | None = None,
        worker: str,
        lease_ms: Millis,
        clock: Clock,
        metrics: DeliverMetrics,
    ) -> None:
        """`rate` is in requests a second over this medium's channel, all replicas together; None for no limit."""
        self._ledger = ledger
        self._medium = medium
        self._config = config
        self._rate_limit = RateLimit(medium.name, rate)
        self._worker = worker
        self._lease_ms = lease_ms
        self._clock = clock
        self._metrics = metrics
        self._journal_check = JournalCheck(ledger, clock)
        self._in_hand: frozenset[Key] = frozenset()
        """What the batch under way decides about."""

    def preview(self) -> ClaimPreview:
        """Return whether there is anything to do: cheap, and without locks."""
        now, medium = self._clock.now(), self._medium.name
        with self._ledger.reading() as connection:
            breakers = queries.channels.states(connection, medium)
            breaker = breakers[medium]
            has_work = queries.reminders.any_due(connection, medium, now) or (
                probe_is_due(breaker, now) and queries.reminders.any_deferred(connection, medium, "channel_stopped")
            )
            has_work = has_work and self._rate_limit.peek(connection, now, 1) > 0
        return ClaimPreview(has_work, breakers, has_work and needs_status_check(breaker, now))

    def postpone_probe(self) -> None:
        """Put the probe off: the channel does not say that it is connected."""
        with unit_of_work(self._ledger, self._metrics, self._clock.now()) as work:
            breaker = queries.channels.states(work.connection, self._medium.name, lock=True)[self._medium.name]
            if needs_status_check(breaker, work.now):  # unless another replica has put it off
                queries.channels.put_state(work.connection, after_failed_status_check(breaker, work.now))

    def take(self, limit: int) -> Claim[M]:
        """Decide about at most `limit` due reminders, and journal those that may be sent.

        Raises LedgerRegressed, once nothing can be sent twice for it, if the ledger has lost an attempt; LedgerRefused
        if a newer Lapse has upgraded it.
        """
        try:
            claim = take_fewer(self._take, limit, self._set_aside)
        except LedgerRegressed:
            ledger_restore.mark_unsent_unknown(self._ledger, {}, metrics=self._metrics, now=self._clock.now)
            raise
        self._journal_check.remember(frozenset((*each.key, each.number) for each in claim.attempts))
        return claim

    def _set_aside(self, error: Exception) -> Claim[M] | None:
        """Put the row out of the way that could not be decided about; None if there was not one alone."""
        if len(self._in_hand) != 1:
            return None
        for may_end in (True, False):
            try:
                with unit_of_work(self._ledger, self._metrics, self._clock.now()) as work:
                    for row in queries.reminders.lock_by_ids(work.connection, {key[0] for key in self._in_hand}):
                        if row.key in self._in_hand:
                            work.set_aside(row, type(error).__name__, may_end=may_end)
                break
            except Exception as problem:
                if not (may_end and is_about_a_value(problem)):
                    raise
        return Claim(1, [], 0, 0)

    def _take(self, limit: int) -> Claim[M]:
        self._in_hand = frozenset()
        with unit_of_work(self._ledger, self._metrics, self._clock.now()) as work:
            migrations.known_version(work.connection)  # into a newer ledger no answer could be written
            if not self._journal_check.may_claim(work.connection):
                limit = 0
            queries.replicas.lock_facts_shared(work.connection)
            breakers = queries.channels.states(work.connection, self._medium.name, lock=True)
            limit = self._rate_limit.acquire(work.connection, self._clock.now(), limit)
            # The lease starts only now that the locks are ours: waiting for them must not use it up.
            work.now, monotonic = self._clock.now(), self._clock.monotonic()
            chooser = VariantChooser(breakers, self._medium.templates, self._medium.name, work.now, self._lease_ms)
            rows = self._due_rows(work, limit, breakers[self._medium.name])
            decided, attempts = self._decide(work, rows, chooser)
            self._rate_limit.spend(work.connection, self._clock.now(), len(attempts))
            for breaker in chooser.probed.values():
                queries.channels.put_state(work.connection, breaker)
        return Claim(decided, attempts, work.now + self._lease_ms, monotonic + self._lease_ms)

    def _due_rows(self, work: UnitOfWork, limit: int, breaker: ChannelRow) -> list[ReminderRow]:
        if not limit:
            return []
        rows, medium = [], self._medium.name
        if probe_is_due(breaker, work.now):
            since = breaker.stopped_at or 0
            rows = queries.reminders.lock_next_probe(
                work.connection, medium, "channel_stopped", since, _PROBE_CANDIDATES
            )
        return _one_per_user(rows[:limit] or queries.reminders.lock_due(work.connection, medium, work.now, limit))

    def _decide(
        self, work: UnitOfWork, rows: Sequence[ReminderRow], chooser: VariantChooser
    ) -> tuple[int, list[Attempt[M]]]:
        """Apply the checks to each row, and journal those without an objection.

        Returns how many rows were decided about, and the attempts.
        """
        self._in_hand = frozenset(row.key for row in rows)
        usable = work.add_locked(rows)
        if not usable:
            return len(rows), []
        facts = FactsGatherer(work.connection, self._config, self._ledger.hash_key, work.now).facts(usable)
        facts = dict(self._medium.complete_facts(work.connection, usable, facts))
        quota, limit = None, self._medium.unique_recipients
        if limit is not None:
            phones = {each.phone_hash for each in facts.values() if each.phone_hash is not None}
            quota = quota_for(work.connection, limit, phones, work.now)
        decided, attempts, used = len(rows) - len(usable), list[Attempt[M]](), set[str | None]()
        for row in usable:
            if row.key not in facts or not used.isdisjoint((facts[row.key].phone_hash, facts[row.key].email_hash)):
                continue  # left for the next batch, which knows what came of this one
            decided += 1
            complete, variant = chooser.choose(facts[row.key], self._config.plans.get(row.process), row.attempted_at)
            hashed = complete.phone_hash
            if quota and hashed and (quota_free_at := quota.free_at(hashed)):
                complete = replace(complete, quota_free_at=quota_free_at)
            verdict = judge(complete, self._medium.checks)
            if verdict is not None:
                work.apply_event(row.key, verdict)
                continue
            assert variant is not None  # the checks require it
            draft = self._write(row, complete, variant, work.now)
            if draft is None:
                work.apply_event(row.key, Suppress("unwritable"))
                continue
            attempts.append(self._journal(work, row, complete, draft))
            chooser.mark_used(variant)
            if self._config.caps:
                used |= {hashed, complete.email_hash} - {None}
            if hashed and quota:
                quota.take(hashed)
        queries.attempts.insert_rows(work.connection, [_attempt_row(work, each) for each in attempts])
        return decided, attempts

    def _write(self, row: ReminderRow, facts: Facts, variant: TemplateVariant, now: Millis) -> Draft[M] | None:
        """Return the message; None if it cannot be written, which must not stop the others of the batch."""
        try:
            return self._medium.write(row, facts, variant, now)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's; its text may hold personal data
            kind, trace = type(error).__name__, log_fields(row.traceparent)
            log.error("message_unwritable", reminder_id=row.reminder_id, medium=row.medium, error=kind, **trace)
            return None

    def _journal(self, work: UnitOfWork, row: ReminderRow, facts: Facts, draft: Draft[M]) -> Attempt[M]:
        number = row.attempts + 1
        work.update(
            row._replace(
                updated_at=work.now,
                attempts=number,
                attempted_at=work.now,
                lease_until=work.now + self._lease_ms,
                claimed_by=self._worker,
                phone=draft.phone,
                template=draft.template,
                language=draft.language,
            )
        )
        work.apply_event(row.key, Claimed())
        hashes = {
            "phone_hash": None if draft.phone is None else facts.phone_hash,
            "email_hash": facts.email_hash,
            "text_hash": None if draft.text is None else text_hash(draft.text, work.hash_key),
        }
        held = row.reason not in _FAULTS
        return Attempt(row.key, number, work.now, facts.lapsed_at, held, draft.message, hashes, row.traceparent)


def _one_per_user(rows: Iterable[ReminderRow]) -> list[ReminderRow]:
    """Return one row for each user: an attempt now counts for the decision about the user's next row."""
    first: dict[str, ReminderRow] = {}
    for row in rows:
        first.setdefault(row.user_id, row)
    return list(first.values())


def _attempt_row(work: UnitOfWork, attempt: Attempt[M]) -> dict[str, object]:
    """Return the attempt as a row of `tables.attempts`, before it leaves."""
    row = work.get(attempt.key)
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
        "may_have_been_sent": True,
        "phone": row.phone,
        **attempt.hashes,
    }
