"""Holds on a recipient, kept by a keyed hash of the phone or the mailbox: they apply to every process and account.

There are two kinds: no message before some moment (docs/1msg.md#error-codes: day, pair), and unreachable (recipient).
The second ends after a month, since people install WhatsApp and countries are opened.
"""

from consumer.clock import DAY, Millis
from consumer.deliver.recipients.identity import phone_hash, subjects_of
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.recipients import Hold
from consumer.ledger.schema.rows import ReminderRow
from consumer.onemsg.backoff import wait
from consumer.onemsg.outcomes import Rejected, Remedy

UNREACHABLE_FOR = 30 * DAY
_OURS_TO_MEND = frozenset({"not_on_test_list"})
"""What keeps a message from one person until we change something, which may be today."""


def hold_after(refusal: Rejected, attempt: int, now: Millis) -> Hold | None:
    """Return the hold that follows from the refusal of attempt number `attempt` (from 1), if any. Pure."""
    match refusal.remedy:
        case Remedy.DAY | Remedy.PAIR:
            return Hold(refusal.reason, now + wait(refusal.remedy, attempt, refusal.retry_after), unreachable=False)
        case Remedy.RECIPIENT if refusal.reason not in _OURS_TO_MEND:
            return Hold(refusal.reason, now + UNREACHABLE_FOR, unreachable=True)
        case _:
            return None


def hold_recipient(work: UnitOfWork, row: ReminderRow, refusal: Rejected) -> None:
    """Store the hold, if any, that follows from a refusal of this reminder."""
    hold = hold_after(refusal, max(row.attempts, 1), work.now)
    if hold is None:
        return
    if row.phone is not None:
        subjects = subjects_of(None, phone_hash(row.phone, work.hash_key))
    else:
        subjects = subjects_of(None, None, queries.attempts.mailbox_of(work.connection, row.key, row.attempts))
    queries.recipients.extend_holds(work.connection, subjects, row.medium, hold)


class ReachedPhones:
    """Collects phones to which a message was delivered; `lift_holds` ends their `unreachable` holds together."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._by_medium: dict[str, set[str]] = {}

    def add(self, row: ReminderRow) -> None:
        if row.phone is not None:
            self._by_medium.setdefault(row.medium, set()).add(row.phone)

    def lift_holds(self) -> None:
        # Hashing phones costs more than this query.
        if self._by_medium and queries.recipients.any_unreachable(self._work.connection):
            for medium, phones in self._by_medium.items():
                hashes = (phone_hash(phone, self._work.hash_key) for phone in phones)
                subjects = {subject for each in hashes for subject in subjects_of(None, each)}
                queries.recipients.delete_unreachable_holds(self._work.connection, subjects, medium)
        self._by_medium = {}
