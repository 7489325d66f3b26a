"""Settles attempts of unknown outcome by our own messages seen from outside: echoes, and the message list.

A message may be seen before its attempt is known to have no answer, so unclaimed messages are kept for a day. They are
compared again when an attempt turns out to have no answer, and whenever the message list is asked about one. What is
seen without its text, such as a status, settles nothing: it may be about anybody's message.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import structlog

from consumer.clock import YEAR_10000, Millis
from consumer.deliver.lifecycle import AttemptAccepted, Status, StatusSource
from consumer.deliver.message_ids import digest_of, found_by_id
from consumer.deliver.operations.ledger_restore import RESTORED
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.recipients.identity import KnownPhones, Mention, text_hash
from consumer.deliver.tracking.message_matching import MAX_DELAY_MS, MAX_LAG_MS, OpenAttempt, SeenMessage, matches
from consumer.deliver.tracking.status_reports import apply_parked_reports
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.onemsg.webhook.notifications import Echo
from consumer.records import WHATSAPP
from consumer.trace_context import log_fields

_SOURCES = frozenset(map(str, StatusSource))
_SETTLED_BY_MESSAGE = {Status.UNKNOWN, Status.UNRESOLVED}
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReceivedEcho:
    """An echo, where it came from, and when it was received."""

    echo: Echo
    source: StatusSource
    received_at: Millis

    @property
    def mention(self) -> Mention:
        return Mention(
            phone=self.echo.recipient, whatsapp_id=self.echo.whatsapp_id, our_message_id=self.echo.message_id
        )


def record_echoes(
    work: UnitOfWork, echoes: Sequence[ReceivedEcho], phones: KnownPhones, retry_policy: RetryPolicy
) -> None:
    """Store messages that nobody has claimed, and settle attempts by them."""
    find, ids = queries.attempts.reminders_by_message_id, {each.echo.message_id for each in echoes}
    claimed = found_by_id(find, work.connection, ids, work.hash_key)
    unclaimed = [seen for each in echoes if each.echo.message_id not in claimed for seen in _seen(work, each, phones)]
    queries.inbox.store_echoes(work.connection, [asdict(each) for each in unclaimed])
    match_open_attempts(work, {each.phone_hash for each in unclaimed}, retry_policy)


def _seen(work: UnitOfWork, received: ReceivedEcho, phones: KnownPhones) -> list[SeenMessage]:
    """Return the message that an echo shows; none without a text, or to somebody whose phone is not certain."""
    echo, recipients = received.echo, phones.of(received.mention)
    if echo.body is None or len(recipients) != 1:
        return []
    at = received.received_at if echo.at is None else echo.at
    hashes = next(iter(recipients)), text_hash(echo.body, work.hash_key)
    return [SeenMessage(echo.message_id, *hashes, at, received.source.value, received.received_at)]


def match_open_attempts(work: UnitOfWork, phones: Collection[str], retry_policy: RetryPolicy) -> None:
    """Give attempts to these phones (hashes) the messages that can only be theirs.

    One replica at a time does this: a message that another is just assigning must not look unclaimed. A replica that
    comes second does nothing; the messages are kept and compared again.
    """
    if not phones or not queries.replicas.try_advisory_lock(work.connection, "settle"):
        return
    rows = queries.inbox.unclaimed_echoes(work.connection, phones)
    found = (SeenMessage(**{name: row[name] for name in SeenMessage.__dataclass_fields__}) for row in rows)
    unclaimed = [each for each in found if each.source in _SOURCES and 0 <= each.at < YEAR_10000]
    if not unclaimed:
        return
    # All attempts that one of the messages may belong to, so that no ambiguity is overlooked.
    times = [each.at for each in unclaimed]
    first, last = min(times) - MAX_DELAY_MS, max(times) + MAX_LAG_MS
    found_attempts = queries.attempts.without_message_id(work.connection, WHATSAPP, first, last, RESTORED)
    attempts = [OpenAttempt(**row) for row in found_attempts]
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
    is_erased = queries.contacts.erased_users(work.connection, [row.user_id])
    message_id = digest_of(message.message_id, work.hash_key) if is_erased else message.message_id
    end = {"key": key, "number": attempt.number, "outcome": "accepted", "message_id": message_id}
    queries.attempts.record_outcomes(work.connection, [{**end, "finished_at": work.now}])
    work.apply_event(key, AttemptAccepted(message_id, StatusSource(message.source)), message.at)
    trace = log_fields(row.traceparent)
    log.info("unknown_settled", reminder_id=key[0], attempt=attempt.number, source=message.source, **trace)
    return True
