"""Verdicts about a recipient, kept by a keyed hash of the number, so that they hold every process's reminders.

Two kinds: not before some moment (contract §10: DAY, PAIR), and not to be reached at all (P-rcpt), which is looked at
again after a month, since people install WhatsApp and countries are opened.
"""

from consumer.clock import DAY, Millis
from consumer.deliver.recipients.opt_outs import subjects_of
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.recipients import Hold
from consumer.ledger.schema.rows import ReminderRow
from consumer.onemsg.backoff import wait
from consumer.onemsg.outcomes import Rejected, Remedy

UNREACHABLE_FOR = 30 * DAY


def verdict(refusal: Rejected, tries: int, now: Millis) -> Hold | None:
    """What the refusal of the `tries`-th attempt (from 1) says about the recipient, if anything. Pure."""
    match refusal.remedy:
        case Remedy.DAY | Remedy.PAIR:
            return Hold(refusal.reason, now + wait(refusal.remedy, tries, refusal.retry_after), unreachable=False)
        case Remedy.RECIPIENT:
            return Hold(refusal.reason, now + UNREACHABLE_FOR, unreachable=True)
        case _:
            return None


def keep(work: UnitOfWork, row: ReminderRow, refusal: Rejected) -> None:
    """Remember what a refusal says about whom this reminder was for."""
    hold = verdict(refusal, max(row.attempts, 1), work.now)
    if hold is not None and row.phone is not None:
        for subject in subjects_of(None, row.phone, work.hash_key):
            queries.recipients.extend_hold(work.connection, subject, row.medium, hold)


class Reached:
    """Whoever got a message can be reached, whatever was said before. Told one by one, written together by `lift`."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._phones: dict[str, set[str]] = {}

    def add(self, row: ReminderRow) -> None:
        if row.phone is not None:
            self._phones.setdefault(row.medium, set()).add(row.phone)

    def lift(self) -> None:
        if self._phones and queries.recipients.any_unreachable(self._work.connection):  # hashing is dear
            for medium, phones in self._phones.items():
                subjects = {subject for phone in phones for subject in subjects_of(None, phone, self._work.hash_key)}
                queries.recipients.delete_unreachable_holds(self._work.connection, subjects, medium)
        self._phones = {}
