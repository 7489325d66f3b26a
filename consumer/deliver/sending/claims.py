"""Decides about a batch of due reminders, and journals those that are to be sent: one transaction.

When it returns, every attempt in it is on the disk as `sending`, under a lease. From then on it is either recorded,
or unknown: nothing sends it again.
"""

from collections.abc import Sequence
from dataclasses import replace

from consumer.clock import Clock, Millis
from consumer.deliver.channel.circuit_breaker import probe_is_due
from consumer.deliver.channel.rate_limit import RateLimit
from consumer.deliver.channel.recipient_quota import quota_for
from consumer.deliver.channel.template_choice import VariantChooser
from consumer.deliver.lifecycle import Claimed
from consumer.deliver.policy.checks import Facts, judge
from consumer.deliver.policy.message_plan import TemplateVariant
from consumer.deliver.sending.claim_base import Attempt, Claim, ClaimBase, attempt_row, one_per_user
from consumer.deliver.sending.facts import FactsGatherer, SenderConfig
from consumer.deliver.unit_of_work import UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.templates.parameters import safe_parameter, shorten_to_fit

_PROBED = 10
"""Rows looked at to find one that can be the probe of a stopped channel."""


class Claims(ClaimBase):
    """Takes due reminders of one medium. Blocks its thread."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        medium: str,
        known: SenderConfig,
        rate_limit: RateLimit,
        worker: str,
        lease: Millis,
        ttl: int | None,
        clock: Clock,
        metrics: DeliverMetrics,
    ) -> None:
        super().__init__(ledger, medium=medium, rate_limit=rate_limit, clock=clock, metrics=metrics)
        self._known = known
        self._worker = worker
        self._lease = lease
        self._ttl = ttl

    def take(self, most: int) -> Claim[TemplateMessage]:
        """Decide about at most `most` due reminders, and journal those that may go out."""
        with unit_of_work(self._ledger, self._metrics, self._clock.now()) as work:
            queries.replicas.lock_facts_shared(work.connection)
            states = queries.channels.states(work.connection, self._medium, lock=True)
            most = self._rate_limit.acquire(work.connection, self._clock.now(), most)
            # Only now that these are ours: a lease must not be spent on waiting for them.
            now, steady = self._clock.now(), self._clock.monotonic()
            work.now = now
            choice = VariantChooser(states, self._known.templates, self._medium, now, self._lease)
            rows = one_per_user(self._waiting(work, most, probe_is_due(states[self._medium], now))) if most else []
            decided, attempts = self._decide(work, rows, choice)
            self._rate_limit.spend(work.connection, self._clock.now(), len(attempts))
            for state in choice.probed.values():
                queries.channels.put_state(work.connection, state)
        return Claim(decided, attempts, now + self._lease, steady + self._lease)

    def _waiting(self, work: UnitOfWork, most: int, probing: bool) -> list[ReminderRow]:
        if probing:
            stopped = queries.reminders.lock_oldest_deferred(work.connection, self._medium, "channel_stopped", _PROBED)
            if stopped:
                return stopped[:most]
        return queries.reminders.lock_due(work.connection, self._medium, work.now, most)

    def _decide(
        self, work: UnitOfWork, rows: Sequence[ReminderRow], choice: VariantChooser
    ) -> tuple[int, list[Attempt[TemplateMessage]]]:
        """Judge each row; journal those to which nothing objects. How many rows were judged, and the attempts."""
        if not rows:
            return 0, []
        work.add_locked(rows)
        facts = FactsGatherer(work.connection, self._known, self._ledger.hash_key, work.now).facts(rows)
        numbers = {each.phone for each in facts.values() if each.phone is not None}
        places = quota_for(work.connection, self._known.unique_recipients, numbers, work.now)
        attempts: list[Attempt[TemplateMessage]] = []
        phones: set[str] = set()
        decided = 0
        for row in rows:
            if row.key not in facts or facts[row.key].phone in phones:
                continue  # left for the next batch, which knows what came of it
            decided += 1
            known, words = choice.choose(facts[row.key], self._known.plans.get(row.process))
            room_at = places.free_at(known.phone) if known.phone else 0
            verdict = judge(replace(known, room_at=room_at) if room_at else known)
            if verdict is not None:
                work.apply_event(row.key, verdict)
            else:
                assert words is not None  # the checks have seen to them
                attempts.append(self._prepare(work, row, known, words))
                if self._known.caps:
                    phones.add(attempts[-1].message.phone)
                places.take(attempts[-1].message.phone)
                choice.mark_used(words)
        journal = [attempt_row(work.get(attempt.key), attempt) for attempt in attempts]
        # (The rows they belong to are in the ledger since intake.)
        queries.attempts.insert_rows(work.connection, journal)
        return decided, attempts

    def _prepare(
        self, work: UnitOfWork, row: ReminderRow, facts: Facts, words: TemplateVariant
    ) -> Attempt[TemplateMessage]:
        phone, name = facts.phone, facts.name
        assert phone is not None  # the checks have seen to both
        assert name is not None
        work.update(
            row._replace(
                updated_at=work.now,
                attempts=row.attempts + 1,
                attempted_at=work.now,
                lease_until=work.now + self._lease,
                claimed_by=self._worker,
                phone=phone,
                template=words.template,
                language=words.language,
            )
        )
        work.apply_event(row.key, Claimed())
        params = (name, safe_parameter(row.action) or words.action)
        body = self._known.templates.of(words).body
        message = _message(words, phone, (body and shorten_to_fit(body, params)) or params, self._ttl)
        return Attempt(row.key, row.attempts + 1, work.now, facts.lapsed_at, message)


def _message(words: TemplateVariant, phone: str, params: tuple[str, ...], ttl: int | None) -> TemplateMessage:
    return TemplateMessage(
        phone=phone,
        template=words.template,
        namespace=words.namespace,
        language=words.language,
        params=params,
        ttl=ttl,
    )
