"""Who wants no more: kept by user and by a keyed hash of the number, so that it outlives the contact."""

import hashlib
import hmac

from consumer.deliver.recording import Book
from consumer.ledger import queries_facts
from consumer.ledger.rows import ReminderRow


def subjects_of(user_id: str | None, phone: str | None, hash_key: bytes) -> list[str]:
    """Whom an opt-out is kept by. `phone` is digits."""
    subjects = [] if user_id is None else [f"user:{user_id}"]
    if phone:
        subjects.append(f"phone:{hmac.digest(hash_key, phone.encode(), hashlib.sha256).hex()}")
    return subjects


def keep(book: Book, row: ReminderRow, reason: str) -> None:
    """Whom this reminder was for is not to be written to again on its medium."""
    subjects = subjects_of(row.user_id, row.phone, book.hash_key)
    queries_facts.opt_out(book.connection, subjects, row.medium, reason, book.now)


def keep_number(book: Book, phone: str, medium: str, reason: str) -> None:
    """Whoever has this number (digits) is not to be written to again on that medium."""
    queries_facts.opt_out(book.connection, subjects_of(None, phone, book.hash_key), medium, reason, book.now)
