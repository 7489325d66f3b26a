"""Our own messages, seen from outside: kept until it is clear whose they are, and given to the attempt they settle.

A message may be seen before its attempt is known to have no answer, so what nobody has claimed is kept for a day. It is
looked through again when an attempt turns out to have none, and whenever the message list is asked about one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict

import structlog

from consumer.clock import Millis
from consumer.deliver.lifecycle import AttemptAccepted, Status, StatusSource
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.tracking import status_reports
from consumer.deliver.tracking.message_matching import AFTER, BEFORE, OpenAttempt, SeenMessage, matches, tail
from consumer.deliver.tracking.status_reports import ReceivedReport
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.onemsg.webhook.notifications import Echo, Progress

MEDIUM = "whatsapp"
_LOOKED_FOR = {Status.UNKNOWN, Status.UNRESOLVED}
log = structlog.get_logger()


def seen(echoes: Iterable[Echo], source: StatusSource, received_at: Millis) -> list[SeenMessage]:
    """What can be compared with an attempt. Without a time of its own, a message was sent when we heard of it."""
    return [
        SeenMessage(e.message_id, e.recipient, received_at if e.at is None else e.at, source.value, received_at)
        for e in echoes
        if e.recipient is not None
    ]


def reported(strangers: Iterable[ReceivedReport]) -> list[SeenMessage]:
    """What reports of messages that nobody knows show: `sent` comes at about the time of sending, others may not."""
    return [
        SeenMessage(
            h.report.message_id, h.report.recipient, h.report.at or h.received_at, h.source.value, h.received_at
        )
        for h in strangers
        if h.report.progress is Progress.SENT and h.report.recipient is not None
    ]


def notice(work: UnitOfWork, found: Sequence[SeenMessage], limits: RetryPolicy) -> int:
    """Keep those that nobody has claimed, and settle what they settle. Returns how many attempts that was."""
    claimed = queries.attempts.reminders_by_message_id(work.connection, {each.message_id for each in found})
    new = [each for each in found if each.message_id not in claimed]
    queries.inbox.store_echoes(work.connection, [{**asdict(each), "tail": tail(each.recipient)} for each in new])
    return settle(work, {each.recipient for each in new}, limits)


def settle(work: UnitOfWork, phones: Collection[str], limits: RetryPolicy) -> int:
    """Give attempts to these numbers (digits) the messages that can only be theirs. Returns how many got one.

    One replica at a time chooses: what another is just giving away must not look free. What is passed over now is kept
    and looked through again.
    """
    if not phones or not queries.replicas.try_advisory_lock(work.connection, "settle"):
        return 0
    rows = queries.inbox.unclaimed_echoes(work.connection, {tail(phone) for phone in phones})
    unclaimed = [SeenMessage(**{name: row[name] for name in SeenMessage.__dataclass_fields__}) for row in rows]
    if not unclaimed:
        return 0
    # All that could lay claim to one of them, so that no choice is overlooked.
    first, last = min(each.at for each in unclaimed) - AFTER, max(each.at for each in unclaimed) + BEFORE
    attempts = [OpenAttempt(**row) for row in queries.attempts.without_message_id(work.connection, MEDIUM, first, last)]
    pairs = matches(attempts, unclaimed)
    work.lock([(attempt.reminder_id, attempt.medium) for attempt, _ in pairs])
    adopted = [one.message_id for attempt, one in pairs if _adopt(work, attempt, one)]
    status_reports.apply_parked(work, adopted, limits)
    return len(adopted)


def _adopt(work: UnitOfWork, attempt: OpenAttempt, one: SeenMessage) -> bool:
    """Unless its fate is being decided elsewhere: while a request is out, its answer is waited for."""
    key = (attempt.reminder_id, attempt.medium)
    row = work.get(key)
    if row is None or row.attempts != attempt.number or Status(row.status) not in _LOOKED_FOR:
        return False
    end = {"key": key, "number": attempt.number, "outcome": "accepted", "message_id": one.message_id}
    queries.attempts.record_outcomes(work.connection, [{**end, "finished_at": work.now}])
    work.apply_event(key, AttemptAccepted(one.message_id, StatusSource(one.source)), one.at)
    log.info("unknown_settled", reminder=key[0], attempt=attempt.number, source=one.source)
    return True
