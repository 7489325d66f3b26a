"""What a row of a file makes of what the topic knows of its user."""

from contextlib import closing
from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SystemClock
from consumer.commands.contacts.known_contacts import (
    ContactChange,
    KnownContact,
    KnownContacts,
    after_record,
    merged,
)
from consumer.records import Contact

CODEC = RecordCodec(WriterSchemas(SystemClock()))
ANN = Contact(
    user_id="ann", name="Ann", phone="+34600123456", email="a@b.es", opt_in=True, opted_in_at=5, updated_at=10
)


def change(updated_at: int = 99, **values: Any) -> ContactChange:
    return ContactChange(user_id="ann", values=values, updated_at=updated_at)


def test_column_that_is_missing_keeps_what_is_known() -> None:
    found = merged(ANN, change(name="Anna"))
    assert (found.name, found.phone, found.email, found.opt_in, found.opted_in_at) == ("Anna", *_rest(ANN))


def _rest(contact: Contact) -> tuple[object, ...]:
    return contact.phone, contact.email, contact.opt_in, contact.opted_in_at


def test_empty_cell_empties_its_field_but_says_nothing_about_consent() -> None:
    found = merged(ANN, change(name=None, phone=None, opt_in=None, opted_in_at=None))
    assert (found.name, found.phone, found.opt_in, found.opted_in_at) == (None, None, True, 5)


def test_consent_keeps_its_date_unless_the_file_speaks_of_it() -> None:
    assert merged(ANN, change(name="Anna")).updated_at == 10
    assert merged(ANN, change(opt_in=None)).updated_at == 10
    assert (merged(ANN, change(opt_in=False)).opt_in, merged(ANN, change(opt_in=False)).updated_at) == (False, 99)
    assert merged(None, change(name="Anna")) == Contact(user_id="ann", name="Anna", updated_at=99)


def test_earlier_records_count_for_consent_only() -> None:
    silent = Contact(user_id="ann", name="Anna", updated_at=20)
    known = after_record(after_record(KnownContact(), ANN, 0, 100), silent, 0, 200)
    assert known.contact == Contact(user_id="ann", name="Anna", opt_in=True, opted_in_at=5, updated_at=10)
    gone = after_record(known, None, 0, 300)
    assert (gone.contact, gone.partitions) == (None, (0,))
    assert after_record(gone, silent, 0, 400).contact == silent


def record(key: str, contact: Contact) -> Message:
    value = CODEC.encode(contact, "contacts")
    return Message(topic="contacts", partition=0, key=key.encode(), value=value, timestamp=(TIMESTAMP_CREATE_TIME, 100))


def test_record_of_another_user_than_its_key_tells_nothing() -> None:
    with closing(KnownContacts(["ann", "bob"])) as known:
        known.take(record("ann", ANN), CODEC.decode)
        known.take(record("ann", Contact(user_id="bob", name="Bob", phone="+34600000000", updated_at=20)), CODEC.decode)
        assert known.of("ann") == after_record(KnownContact(), ANN, 0, 100)
        assert known.of("bob") == KnownContact()
        imported = merged(known.of("ann").contact, change(name="Anna"))
    assert (imported.user_id, imported.name, imported.phone) == ("ann", "Anna", ANN.phone)


def test_of_two_partitions_the_latest_record_counts() -> None:
    known = after_record(KnownContact(), ANN, 3, 200)
    known = after_record(known, Contact(user_id="ann", name="old", updated_at=1), 1, 100)
    assert (known.contact, known.partitions) == (ANN, (1, 3))
