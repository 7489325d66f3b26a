"""Records what became of attempts: many at once, in one transaction with everything that follows from it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from consumer.clock import Millis, Now
from consumer.deliver import opt_outs, reports, retries
from consumer.deliver.channel import channel_after, template_after, template_key
from consumer.deliver.checks import Rules, too_old_at
from consumer.deliver.lifecycle import Event, Lost, Refused, Taken
from consumer.deliver.recording import Book, Key, booking
from consumer.ledger import queries, queries_facts
from consumer.ledger.rows import ChannelRow, ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.errors import wait
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Remedy, Unknown

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt."""

    key: Key
    number: int
    started_at: Millis
    outcome: Outcome


class Answers:
    """`record` blocks its thread and returns when everything is durable."""

    def __init__(self, ledger: Ledger, *, rules: Rules, max_attempts: int, metrics: DeliverMetrics, now: Now) -> None:
        self._ledger = ledger
        self._rules = rules
        self._max_attempts = max_attempts
        self._metrics = metrics
        self._now = now

    def record(self, answers: Sequence[Answer]) -> None:
        """The attempts' ends, their reminders' next statuses, reports that were early, the channel, opt-outs."""
        with booking(self._ledger, self._metrics, self._now()) as book:
            book.fetch([answer.key for answer in answers])
            for answer in answers:
                self._tell(book, answer)
            queries.finish_attempts(book.connection, [_end(answer, book.now) for answer in answers])
            accepted = [a.outcome.message_id for a in answers if isinstance(a.outcome, Accepted)]
            reports.apply_parked(book, accepted)
            _keep_opt_outs(book, answers)
            _move_channels(book, answers)
        counted = Counter((_label(a.outcome), getattr(a.outcome, "reason", "")) for a in answers)
        for (outcome, reason), number in counted.items():
            self._metrics.sends.labels(outcome, reason).inc(number)

    def _tell(self, book: Book, answer: Answer) -> None:
        row = book.get(answer.key)
        if row is None or row.attempts != answer.number:
            log.error("answer_without_attempt", reminder=answer.key[0], attempt=answer.number)
            return
        if isinstance(answer.outcome, Rejected | NotTransmitted) and retries.counts(answer.outcome):
            row = replace(row, refusals=row.refusals + 1)
            book.note(row)
        book.tell(answer.key, self._event(row, answer.outcome, book.now))

    def _event(self, row: ReminderRow, outcome: Outcome, now: Millis) -> Event:
        match outcome:
            case Accepted(message_id=message_id):
                return Taken(message_id)
            case Unknown(reason=reason):
                return Lost(reason)
            case Rejected() | NotTransmitted():
                lapsed_at = row.last_seen if row.lapsed_at is None else row.lapsed_at
                then = retries.after_refusal(
                    outcome,
                    refusals=row.refusals,
                    max_attempts=self._max_attempts,
                    now=now,
                    too_old_at=too_old_at(lapsed_at, self._rules),
                )
                return Refused(outcome.reason, then, outcome.error_code if isinstance(outcome, Rejected) else None)


def _keep_opt_outs(book: Book, answers: Sequence[Answer]) -> None:
    for answer in answers:
        row, outcome = book.get(answer.key), answer.outcome
        if row is not None and isinstance(outcome, Rejected) and outcome.remedy is Remedy.OPT_OUT:
            opt_outs.keep(book, row, outcome.reason, book.now)


def _move_channels(book: Book, answers: Sequence[Answer]) -> None:
    """Stop or open the channels and templates that the answers speak of; what waited for one that opens is due."""
    for medium in sorted({answer.key[1] for answer in answers}):
        before = queries_facts.channels_of(book.connection, medium, lock=True)
        states = dict(before)
        for answer in answers:
            row = book.get(answer.key)
            if row is not None and row.medium == medium:
                template = template_key(medium, row.template, row.language)
                known = states.get(template, ChannelRow(template))
                states[medium] = channel_after(states[medium], answer.outcome, answer.started_at, book.now)
                states[template] = template_after(known, answer.outcome, answer.started_at, book.now)
        for name, state in states.items():
            _move(book, medium, before.get(name, ChannelRow(name)), state)


def _move(book: Book, medium: str, before: ChannelRow, state: ChannelRow) -> None:
    if state == before:
        return
    queries_facts.put_channel(book.connection, state)
    whole = state.name == medium
    if before.stopped_because is not None and state.stopped_because is None:
        log.info("channel_opened", channel=state.name)
        queries.wake(book.connection, "channel_stopped" if whole else "template_unusable", medium=medium)
    elif before.stopped_because is None and state.stopped_because is not None:
        log.error("channel_stopped", channel=state.name, reason=state.stopped_because)


def hold_for(outcome: Outcome) -> Millis:
    """How long the whole channel is to be left alone after this answer."""
    if isinstance(outcome, Rejected) and outcome.remedy is Remedy.SLOW:
        return wait(Remedy.SLOW, 1, outcome.retry_after)
    return 0


def _end(answer: Answer, now: Millis) -> dict[str, Any]:
    outcome = answer.outcome
    return {
        "key": answer.key,
        "number": answer.number,
        "finished_at": now,
        "outcome": _label(outcome),
        "may_have_gone": isinstance(outcome, Accepted | Unknown),
        "reason": getattr(outcome, "reason", None),
        "error_code": getattr(outcome, "error_code", None),
        "error": getattr(outcome, "error", None),
        "message_id": getattr(outcome, "message_id", None),
    }


def _label(outcome: Outcome) -> str:
    match outcome:
        case Accepted():
            return "accepted"
        case Rejected():
            return "rejected"
        case NotTransmitted():
            return "not_transmitted"
        case Unknown():
            return "unknown"
