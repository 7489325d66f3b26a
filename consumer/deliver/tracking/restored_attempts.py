"""Attempts that a restored ledger does not have, made ready to be looked for: to which phone, and with which text.

Nothing is sent. What cannot be known for certain stays as it is, and ends `unresolved`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import Connection

from consumer.clock import Millis
from consumer.deliver.operations.ledger_restore import RESTORED
from consumer.deliver.recipients.identity import phone_hash, text_hash
from consumer.deliver.unit_of_work import Key, UnitOfWork
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow


@dataclass(frozen=True, slots=True)
class RebuiltMessage:
    """What a reminder's message must have been."""

    phone: str = field(repr=False)
    text: str = field(repr=False)


RebuildMessages: TypeAlias = Callable[[Connection, Sequence[ReminderRow], Millis], Mapping[Key, RebuiltMessage]]
"""Returns the messages of those of these reminders of which they are certain, at this moment."""


def searched_since(row: ReminderRow) -> Millis | None:
    """Return from when on the attempt without an answer may have left; None if the reminder was never tried."""
    return row.lapse_time if row.claimed_by == RESTORED else row.attempted_at


def with_messages(work: UnitOfWork, rows: Sequence[ReminderRow], rebuild: RebuildMessages) -> list[ReminderRow]:
    """Return these rows, which are locked, with the phone of those whose lost attempt can be looked for."""
    lost = [row for row in rows if row.claimed_by == RESTORED and row.unknown_since is not None]
    rebuilt = rebuild(work.connection, lost, work.now) if lost else {}
    ends = []
    for row in lost:
        if message := rebuilt.get(row.key):
            work.update(row._replace(phone=message.phone))
            hashes = {
                "phone_hash": phone_hash(message.phone, work.hash_key),
                "text_hash": text_hash(message.text, work.hash_key),
            }
            ends.append({"key": row.key, "number": row.attempts, "phone": message.phone, **hashes})
    queries.attempts.record_outcomes(work.connection, ends)
    return [work.get(row.key) or row for row in rows]
