"""Can a record's texts be stored and sent on? Pure. What is longer than any such text costs time, memory and topics."""

from dataclasses import fields

from consumer.activity.errors import BadRecord
from consumer.records import Contact, Reminder

MAX_ID_BYTES = 255
MAX_TEXT_BYTES = 10_000
_IDS = frozenset({"user_id", "process", "reminder_id"})


def check_bounds(record: Contact | Reminder) -> None:
    """Raise BadRecord (not_storable) if a text of the record cannot be kept as it is.

    Ids may have 255 bytes and no NUL; other texts 10,000 bytes. Half a surrogate pair is no text.
    """
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, str) and (problem := text_problem(field.name, value)):
            raise BadRecord("not_storable", problem)


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
    return None
