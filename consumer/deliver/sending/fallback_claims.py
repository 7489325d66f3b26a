"""Decides about due reminders of a fallback's medium and journals those that are to be sent, as `claims` does.

There are few of them, and no templates to choose from: the words are the configuration's own.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic

from consumer.clock import SECOND, Clock, Millis
from consumer.deliver.channel.circuit_breaker import probe_is_due
from consumer.deliver.channel.rate_limit import RateLimit
from consumer.deliver.lifecycle import Claimed
from consumer.deliver.policy.checks import Facts, judge
from consumer.deliver.policy.fallback import checks_for, with_siblings
from consumer.deliver.sending.claim_base import Attempt, Claim, ClaimBase, M, attempt_row, one_per_user
from consumer.deliver.sending.facts import FactsGatherer, SenderConfig
from consumer.deliver.unit_of_work import Key, UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.schema.rows import ChannelRow, ReminderRow
from consumer.ledger.store import Ledger
from consumer.media.text_template import FallbackText
from consumer.metrics import DeliverMetrics
from consumer.onemsg.templates.parameters import safe_parameter


class FallbackClaims(ClaimBase, Generic[M]):
    """Takes due reminders of one medium, whose messages `write` makes of letters. Blocks its thread."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        medium: str,
        known: SenderConfig,
        write: Callable[[FallbackText, Millis], M],
        worker: str,
        lease: Millis,
        clock: Clock,
        metrics: DeliverMetrics,
    ) -> None:
        super().__init__(ledger, medium=medium, rate_limit=RateLimit(medium, None), clock=clock, metrics=metrics)
        self._known = known
        self._write = write
        self._worker = worker
        self._lease = lease
        self._checks = checks_for(medium)

    def take(self, most: int) -> Claim[M]:
        """Decide about at most `most` due reminders, and journal those that may go out."""
        with unit_of_work(self._ledger, self._metrics, self._clock.now()) as work:
            queries.replicas.lock_facts_shared(work.connection)
            state = self._state(work)
            # As in `claims`: a lease must not be spent on waiting.
            now, steady = self._clock.now(), self._clock.monotonic()
            work.now = now
            probing = probe_is_due(state, now)
            rows = (
                queries.reminders.lock_oldest_deferred(work.connection, self._medium, "channel_stopped", 1)
                if probing
                else []
            )
            rows = rows or one_per_user(
                queries.reminders.lock_due(work.connection, self._medium, now, 1 if probing else most)
            )
            stopped = state.stopped_because is not None and not probing
            decided, attempts = self._decide(work, rows, stopped)
            if probing and attempts:
                # Nobody else probes until this one's fate is known.
                put_off = replace(state, probe_at=now + self._lease + 10 * SECOND)
                queries.channels.put_state(work.connection, put_off)
        return Claim(decided, attempts, now + self._lease, steady + self._lease)

    def _state(self, work: UnitOfWork) -> ChannelRow:
        return queries.channels.states(work.connection, self._medium, lock=True)[self._medium]

    def _decide(self, work: UnitOfWork, rows: Sequence[ReminderRow], stopped: bool) -> tuple[int, list[Attempt[M]]]:
        if not rows:
            return 0, []
        work.add_locked(rows)
        facts = self._facts(work, rows)
        attempts: list[Attempt[M]] = []
        phones: set[str] = set()
        decided = 0
        for row in rows:
            if row.key not in facts or facts[row.key].phone in phones:
                continue  # left for the next batch, which knows what came of it
            decided += 1
            known = replace(facts[row.key], channel_stopped=stopped)
            verdict = judge(known, self._checks)
            if verdict is not None:
                work.apply_event(row.key, verdict)
            else:
                attempts.append(self._prepare(work, row, known))
                if self._known.caps and known.phone:
                    phones.add(known.phone)
        queries.attempts.insert_rows(work.connection, [attempt_row(work.get(each.key), each) for each in attempts])
        return decided, attempts

    def _facts(self, work: UnitOfWork, rows: Sequence[ReminderRow]) -> dict[Key, Facts]:
        facts = FactsGatherer(work.connection, self._known, self._ledger.hash_key, work.now).facts(rows)
        everywhere = queries.reminders.on_all_media(work.connection, {row.reminder_id for row in rows})
        overtaken = queries.reminders.ids_with_later_lapse(work.connection, rows)
        others = {row.key: [o for o in everywhere[row.reminder_id] if o.medium != row.medium] for row in rows}
        return {key: with_siblings(known, others[key], key[0] in overtaken) for key, known in facts.items()}

    def _prepare(self, work: UnitOfWork, row: ReminderRow, facts: Facts) -> Attempt[M]:
        assert facts.name is not None  # the checks have seen to it
        number = row.attempts + 1
        work.update(
            row._replace(
                updated_at=work.now,
                attempts=number,
                attempted_at=work.now,
                lease_until=work.now + self._lease,
                claimed_by=self._worker,
            )
        )
        work.apply_event(row.key, Claimed())
        letter = FallbackText(
            reminder_id=row.reminder_id,
            user_id=row.user_id,
            process=row.process,
            step=row.step,
            lapsed_at=facts.lapsed_at,
            name=facts.name,
            action=safe_parameter(row.action) or self._known.plans[row.process].action,
            email=facts.email,
        )
        return Attempt(row.key, number, work.now, facts.lapsed_at, self._write(letter, work.now))
