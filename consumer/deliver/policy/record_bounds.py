"""Can what is in a record be stored and sent on, and what stands in a row of the ledger be used? Pure.

A text that is longer than any such text costs time, memory and topics. A number outside its range overflows in what is
computed from it, in the ledger, or for those who read `delivery-status`. A row may have been written by a newer Lapse,
or by an earlier one that was less strict.
"""

import re
from dataclasses import fields
from operator import itemgetter
from typing import get_type_hints

from consumer.activity.errors import BadRecord
from consumer.clock import DAY, YEAR_1990, YEAR_10000, Millis
from consumer.deliver.lifecycle import Status
from consumer.ledger.schema.rows import ReminderRow
from consumer.records import Contact, Reminder, ReminderKind

MAX_ID_BYTES = 255
MAX_TEXT_BYTES = 10_000
CLOCKS_DIFFER_BY: Millis = DAY
"""A reminder's time that is later than now by more than this is none, as for activities."""
_IDS = frozenset({"user_id", "process", "reminder_id"})
HASHED_SUBJECT = re.compile(r"(phone|email):[0-9a-f]{64}")
"""What the opt-outs topic calls a phone or a mailbox: the keys of its records are these, and user ids."""
_TIMES = ("last_seen", "lapsed_at", "occurred_at", "detected_at")
_COUNTS = {"step": 1_000, "watched": 10**12, "held": 10**12}
"""A reminder's numbers that are no times: from 0 to these."""

_ROW_COUNTS = ["step", "partition", "polls", "sequence", "attempts", "counted_attempts"]
_ROW_TEXTS = [name for name, hint in get_type_hints(ReminderRow).items() if hint in (str, str | None)]
_ROW_TIMES = [name for name in ReminderRow._fields if name not in {*_ROW_COUNTS, *_ROW_TEXTS, "error_code"}]
_times, _counts, _texts = (
    itemgetter(*map(ReminderRow._fields.index, names)) for names in (_ROW_TIMES, _ROW_COUNTS, _ROW_TEXTS)
)
_MAX_COUNT = 2**30
"""Far from what PostgreSQL's integers hold, since numbers of records begin at the seconds since 2020."""
_STATUSES = frozenset(status.value for status in Status)
_PHONE = re.compile(r"\d{1,15}", re.ASCII)


def check_bounds(record: Contact | Reminder, now: Millis) -> None:
    """Raise BadRecord (not_storable) if a text or a number of the record cannot be kept as it is.

    Ids may have 255 bytes and no NUL, and no user may be called as opt-outs call a phone; other texts may have 10,000
    bytes. Half a surrogate pair is no text. Times of a reminder lie from 1990 to a day after `now`, but for a
    WATERMARK, which intake clips. Times of a contact may be any: they are only compared.
    """
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, str) and (problem := text_problem(field.name, value)):
            raise BadRecord("not_storable", problem)
    if isinstance(record, Reminder) and (problem := _number_problem(record, now)):
        raise BadRecord("not_storable", problem)


def _number_problem(reminder: Reminder, now: Millis) -> str | None:
    for name in () if reminder.kind is ReminderKind.WATERMARK else _TIMES:
        time = getattr(reminder, name)
        if time is not None and not YEAR_1990 <= time <= now + CLOCKS_DIFFER_BY:
            return f"{name} lies before 1990 or more than a day after now: did detect write it, and by which clock?"
    for name, most in _COUNTS.items():
        count = getattr(reminder, name)
        if count is not None and not 0 <= count <= most:
            return f"{name} is not between 0 and {most:,}: did detect write it?"
    return None


def text_problem(name: str, text: str) -> str | None:
    """Return what is wrong with the text of the field `name`, and what to do; None if nothing is."""
    is_id = name in _IDS
    most = MAX_ID_BYTES if is_id else MAX_TEXT_BYTES
    if len(text) > most or len(text.encode("utf-8", "surrogatepass")) > most:
        return f"{name} is longer than {most:,} bytes: is it {'an id' if is_id else 'meant'} at all?"
    if any("\ud800" <= c <= "\udfff" for c in text):
        return f"{name} holds half of a surrogate pair, which is no character: write it in UTF-8"
    if is_id and "\0" in text:
        return f"{name} holds a NUL character: write the id without it"
    if name == "user_id" and HASHED_SUBJECT.fullmatch(text):
        return "user_id is what opt-outs call a phone or a mailbox, so an opt-out of it would be somebody else's"
    return None


def unusable_column(row: ReminderRow) -> str | None:
    """Return the name of a column whose value no code expects; None if the row can be used.

    Its times lie before the year 10000, its other numbers are small, its status is one of ours, its phone digits.
    """
    if row.status not in _STATUSES:
        return "status"
    for name, value in zip(_ROW_TIMES, _times(row), strict=True):
        if value is not None and not (type(value) is int and 0 <= value < YEAR_10000):
            return name
    for name, value in zip(_ROW_COUNTS, _counts(row), strict=True):
        if not (type(value) is int and 0 <= value < _MAX_COUNT):
            return name
    for name, value in zip(_ROW_TEXTS, _texts(row), strict=True):
        if value is not None and type(value) is not str:
            return name
    return None if row.phone is None or _PHONE.fullmatch(row.phone) else "phone"
