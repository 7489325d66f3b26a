"""What a row of a file makes of what the topic knows of its user."""

from typing import Any

from consumer.commands.contacts.known_contacts import ContactChange, KnownContact, after_record, merged
from consumer.records import Contact

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


def test_of_two_partitions_the_latest_record_counts() -> None:
    known = after_record(KnownContact(), ANN, 3, 200)
    known = after_record(known, Contact(user_id="ann", name="old", updated_at=1), 1, 100)
    assert (known.contact, known.partitions) == (ANN, (1, 3))
