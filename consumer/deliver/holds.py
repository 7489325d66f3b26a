"""Verdicts about a recipient, kept by a keyed hash of the number, so that they hold every process's reminders.

Two kinds: not before some moment (contract §10: DAY, PAIR), and not to be reached at all (P-rcpt), which is looked at
again after a month, since people install WhatsApp and countries are opened.
"""

from consumer.clock import DAY, Millis
from consumer.deliver.opt_outs import subjects_of
from consumer.deliver.recording import Book
from consumer.ledger import queries_holds
from consumer.ledger.queries_holds import Hold
from consumer.ledger.rows import ReminderRow
from consumer.onemsg.errors import wait
from consumer.onemsg.outcomes import Rejected, Remedy

UNREACHABLE_FOR = 30 * DAY


def verdict(refusal: Rejected, tries: int, now: Millis) -> Hold | None:
    """What the `tries`-th refusal (from 1) says about the recipient, if anything. Pure."""
    match refusal.remedy:
        case Remedy.DAY | Remedy.PAIR:
            return Hold(refusal.reason, now + wait(refusal.remedy, tries, refusal.retry_after), unreachable=False)
        case Remedy.RECIPIENT:
            return Hold(refusal.reason, now + UNREACHABLE_FOR, unreachable=True)
        case _:
            return None


def keep(book: Book, row: ReminderRow, refusal: Rejected) -> None:
    """Remember what a refusal says about whom this reminder was for."""
    hold = verdict(refusal, max(row.refusals, 1), book.now)
    if hold is not None and row.phone is not None:
        for subject in subjects_of(None, row.phone, book.hash_key):
            queries_holds.keep(book.connection, subject, row.medium, hold)


def was_reached(book: Book, row: ReminderRow) -> None:
    """Whoever got a message can be reached, whatever was said before."""
    if row.phone is not None:
        queries_holds.lift_unreachable(book.connection, subjects_of(None, row.phone, book.hash_key), row.medium)
