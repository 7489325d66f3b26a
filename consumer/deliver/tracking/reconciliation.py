"""Settles attempts of unknown outcome by our own messages seen from outside: echoes, reports and the message list.

A message may be seen before its attempt is known to have no answer, so unclaimed messages are kept for a day. They are
compared again when an attempt turns out to have no answer, and whenever the message list is asked about one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict

import structlog

from consumer.clock import Millis
from consumer.deliver.lifecycle import AttemptAccepted, Status, StatusSource
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.tracking.message_matching import AFTER, BEFORE, OpenAttempt, SeenMessage, matches, tail
from consumer.deliver.tracking.status_reports import ReceivedReport, apply_parked_reports
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.onemsg.webhook.notifications import Echo, Progress
from consumer.records import WHATSAPP

_SETTLED_BY_MESSAGE = {Status.UNKNOWN, Status.UNRESOLVED}
log = structlog.get_logger()


def messages_of_echoes(echoes: Iterable[Echo], source: StatusSource, received_at: Millis) -> list[SeenMessage]:
    """Return the messages that these echoes show. One without a time counts as sent when it was received."""
    return [
        SeenMessage(e.message_id, e.recipient, received_at if e.at is None else e.at, source.value, received_at)
        for e in echoes
        if e.recipient is not None
    ]


def messages_of_reports(unmatched: Iterable[ReceivedReport]) -> list[SeenMessage]:
    """Return the messages that reports without a reminder show: only `sent` comes at about the time of sending."""
    return [
        SeenMessage(r.report.message_id, r.report.recipient, r.at, r.source.value, r.received_at)
        for r in unmatched
        if r.report.progress is Progress.SENT and r.report.recipient is not None
    ]


def record_messages(work: UnitOfWork, messages: Sequence[SeenMessage], retry_policy: RetryPolicy) -> None:
    """Store messages that nobody has claimed, and settle attempts by them."""
    claimed = queries.attempts.reminders_by_message_id(work.connection, {each.message_id for each in messages})
    unclaimed = [each for each in messages if each.message_id not in claimed]
    queries.inbox.store_echoes(
        work.connection, [{**asdict(each), "recipient_suffix": tail(each.recipient)} for each in unclaimed]
    )
    match_open_attempts(work, {each.recipient for each in unclaimed}, retry_policy)


def match_open_attempts(work: UnitOfWork, phones: Collection[str], retry_policy: RetryPolicy) -> None:
    """Give attempts to these phones (digits) the messages that can only be theirs.

    One replica at a time does this: a message that another is just assigning must not look unclaimed. A replica that
    comes second does nothing; the messages are kept and compared again.
    """
    if not phones or not queries.replicas.try_advisory_lock(work.connection, "settle"):
        return
    rows = queries.inbox.unclaimed_echoes(work.connection, {tail(phone) for phone in phones})
    unclaimed = [SeenMessage(**{name: row[name] for name in SeenMessage.__dataclass_fields__}) for row in rows]
    if not unclaimed:
        return
    # All attempts that one of the messages may belong to, so that no ambiguity is overlooked.
    first, last = min(each.at for each in unclaimed) - AFTER, max(each.at for each in unclaimed) + BEFORE
    attempts = [
        OpenAttempt(**row) for row in queries.attempts.without_message_id(work.connection, WHATSAPP, first, last)
    ]
    pairs = matches(attempts, unclaimed)
    work.lock([(attempt.reminder_id, attempt.medium) for attempt, _ in pairs])
    settled = [message.message_id for attempt, message in pairs if _assign(work, attempt, message)]
    apply_parked_reports(work, settled, retry_policy)


def _assign(work: UnitOfWork, attempt: OpenAttempt, message: SeenMessage) -> bool:
    """Give the message to the attempt, unless its outcome is decided elsewhere: an answer may still come."""
    key = (attempt.reminder_id, attempt.medium)
    row = work.get(key)
    if row is None or row.attempts != attempt.number or Status(row.status) not in _SETTLED_BY_MESSAGE:
        return False
    end = {"key": key, "number": attempt.number, "outcome": "accepted", "message_id": message.message_id}
    queries.attempts.record_outcomes(work.connection, [{**end, "finished_at": work.now}])
    work.apply_event(key, AttemptAccepted(message.message_id, StatusSource(message.source)), message.at)
    log.info("unknown_settled", reminder=key[0], attempt=attempt.number, source=message.source)
    return True
