"""Decides about due reminders of a fallback's medium and journals those that are to be sent, as `claims` does.

There are few of them, and no templates to choose from: the words are the configuration's own.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic

from consumer.clock import SECOND, Clock, Millis
from consumer.deliver.channel.circuit_breaker import may_probe
from consumer.deliver.channel.rate_limit import Pace
from consumer.deliver.lifecycle import Claimed
from consumer.deliver.policy.checks import Facts, judge
from consumer.deliver.policy.fallback import along_with, checks_for
from consumer.deliver.sending.claim_base import Attempt, Claim, Desk, M, journalled, one_each
from consumer.deliver.sending.facts import Gatherer, Known
from consumer.deliver.unit_of_work import Book, Key, booking
from consumer.ledger import queries
from consumer.ledger.schema.rows import ChannelRow, ReminderRow
from consumer.ledger.store import Ledger
from consumer.media.text_template import Letter
from consumer.metrics import DeliverMetrics
from consumer.onemsg.templates.parameters import safe_parameter


class FallbackClaims(Desk, Generic[M]):
    """Takes due reminders of one medium, whose messages `write` makes of letters. Blocks its thread."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        medium: str,
        known: Known,
        write: Callable[[Letter, Millis], M],
        worker: str,
        lease: Millis,
        clock: Clock,
        metrics: DeliverMetrics,
    ) -> None:
        super().__init__(ledger, medium=medium, pace=Pace(medium, None), clock=clock, metrics=metrics)
        self._known = known
        self._write = write
        self._worker = worker
        self._lease = lease
        self._checks = checks_for(medium)

    def take(self, most: int) -> Claim[M]:
        """Decide about at most `most` due reminders, and journal those that may go out."""
        with booking(self._ledger, self._metrics, self._clock.wall()) as book:
            queries.facts.hold_still(book.connection)
            state = self._state(book)
            # As in `claims`: a lease must not be spent on waiting.
            now, steady = self._clock.wall(), self._clock.steady()
            book.now = now
            probing = may_probe(state, now)
            rows = queries.reminders.take_oldest(book.connection, self._medium, "channel_stopped", 1) if probing else []
            rows = rows or one_each(
                queries.reminders.take_due(book.connection, self._medium, now, 1 if probing else most)
            )
            stopped = state.stopped_because is not None and not probing
            decided, attempts = self._decide(book, rows, stopped)
            if probing and attempts:
                # Nobody else probes until this one's fate is known.
                put_off = replace(state, probe_at=now + self._lease + 10 * SECOND)
                queries.facts.put_channel(book.connection, put_off)
        return Claim(decided, attempts, now + self._lease, steady + self._lease)

    def _state(self, book: Book) -> ChannelRow:
        return queries.facts.channels_of(book.connection, self._medium, lock=True)[self._medium]

    def _decide(self, book: Book, rows: Sequence[ReminderRow], stopped: bool) -> tuple[int, list[Attempt[M]]]:
        if not rows:
            return 0, []
        book.hold(rows)
        facts = self._facts(book, rows)
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
                book.tell(row.key, verdict)
            else:
                attempts.append(self._prepare(book, row, known))
                if self._known.caps and known.phone:
                    phones.add(known.phone)
        queries.reminders.journal_attempts(book.connection, [journalled(book.get(each.key), each) for each in attempts])
        return decided, attempts

    def _facts(self, book: Book, rows: Sequence[ReminderRow]) -> dict[Key, Facts]:
        facts = Gatherer(book.connection, self._known, self._ledger.hash_key, book.now).facts(rows)
        everywhere = queries.fallback.on_all_media(book.connection, {row.reminder_id for row in rows})
        overtaken = queries.fallback.overtaken(book.connection, rows)
        others = {row.key: [o for o in everywhere[row.reminder_id] if o.medium != row.medium] for row in rows}
        return {key: along_with(known, others[key], key[0] in overtaken) for key, known in facts.items()}

    def _prepare(self, book: Book, row: ReminderRow, facts: Facts) -> Attempt[M]:
        assert facts.name is not None  # the checks have seen to it
        number = row.attempts + 1
        book.note(
            row._replace(
                updated_at=book.now,
                attempts=number,
                attempted_at=book.now,
                lease_until=book.now + self._lease,
                claimed_by=self._worker,
            )
        )
        book.tell(row.key, Claimed())
        letter = Letter(
            reminder_id=row.reminder_id,
            user_id=row.user_id,
            process=row.process,
            step=row.step,
            lapsed_at=facts.lapsed_at,
            name=facts.name,
            action=safe_parameter(row.action) or self._known.plans[row.process].action,
            email=facts.email,
        )
        return Attempt(row.key, number, book.now, facts.lapsed_at, self._write(letter, book.now))
