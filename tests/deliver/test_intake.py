"""Batches as they come from Kafka: again, out of order, large, and in one transaction with their offsets."""

from typing import Any

import pytest

from consumer.clock import HOUR, MINUTE
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.ledger import queries
from consumer.records import Contact, Received, Reminder

from ..timelines.deliver_diary import Diary


def asks(diary: Diary, *kinds: tuple[str, str]) -> list[Received[Reminder]]:
    return [diary._received("reminders", diary.ask_of(kind, user)) for kind, user in kinds]


def offsets(diary: Diary, topic: str) -> dict[int, int]:
    with diary.ledger.reading() as connection:
        return queries.replicas.next_offsets(connection, topic)


def test_a_batch_that_comes_again_changes_nothing(diary: Diary) -> None:
    batch = asks(diary, ("DUE", "ana"), ("DUE", "ben"), ("RETURNED", "ben"), ("DUE", "cleo"), ("COMPLETED", "dan"))
    batch += asks(diary, ("CANCELLED", "eve"))
    diary.intake.reminders(batch)
    before = diary.rows()
    diary.after(MINUTE)
    diary.intake.reminders(batch)
    diary.intake.reminders(batch[2:])
    assert diary.rows() == before
    diary.publishes().says("ben cancelled returned", "dan cancelled completed", "eve cancelled completed")


def test_offsets_are_kept_with_what_was_read_and_never_go_back(diary: Diary) -> None:
    batch = asks(diary, *(("DUE", f"user {n}") for n in range(5)))
    diary.intake.reminders(batch)
    diary.intake.reminders(batch[:2])
    diary.knows("ana").knows("ben")
    assert offsets(diary, "reminders") == {0: 5}
    assert offsets(diary, "contacts") == {0: 2}


def test_a_batch_that_fails_leaves_neither_rows_nor_offsets(diary: Diary) -> None:
    (good,) = asks(diary, ("DUE", "ana"))
    bad: Any = Received(topic="reminders", partition=0, offset="not an offset", key=None, value=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        diary.intake.reminders([good, bad])
    assert diary.rows() == []
    assert offsets(diary, "reminders") == {}


def test_more_than_one_statement_can_hold_is_taken_in_one_batch(diary: Diary) -> None:
    count = 1_300
    contacts = [
        diary._received("contacts", Contact(user_id=f"user {n}", name="Maria", updated_at=0)) for n in range(count)
    ]
    diary.intake.contacts(contacts)
    diary.intake.reminders(asks(diary, *(("DUE", f"user {n}") for n in range(count))))
    diary.intake.reminders(asks(diary, *(("RETURNED", f"user {n}") for n in range(count))))
    assert {(row.status, row.reason) for row in diary.rows()} == {("cancelled", "returned")}
    assert len(diary.rows()) == count


def test_the_last_word_on_a_contact_within_a_batch_counts(diary: Diary) -> None:
    words = [Contact(user_id="maria", name=name, phone="+34 612 345 678", opt_in=True, updated_at=0) for name in "ABC"]
    diary.intake.contacts([diary._received("contacts", word) for word in words])
    diary.due("maria").works().went_out("C")


def test_a_contact_without_a_user_is_passed_over(diary: Diary) -> None:
    diary.intake.contacts(
        [
            diary._received("contacts", None, key=None),
            diary._received("contacts", Contact(user_id="", updated_at=0)),
            diary._received("contacts", Contact(user_id="maria", name="Maria", updated_at=0)),
        ]
    )
    with diary.ledger.reading() as connection:
        assert set(queries.contacts.by_user(connection, {"", "maria"})) == {"maria"}
    assert offsets(diary, "contacts") == {0: 3}


def test_a_null_within_a_name_does_not_keep_it_out_of_any_database(diary: Diary) -> None:
    diary.knows("maria", name="Ma\0ria").due("maria").works().went_out("Maria")


def test_a_lapse_says_by_itself_how_far_detect_is(diary: Diary) -> None:
    """The first lapse of a partition need not wait for its first clock."""
    diary.knows("maria").due("maria", partition=3).works().says("maria accepted")
    diary.after(HOUR).due("maria", "checkout", partition=3).works().says("maria accepted")


def test_the_gate_opens_when_every_partition_has_been_read_and_stays_open(diary: Diary) -> None:
    barrier = ContactsBarrier("contacts", {0: 2, 1: 0, 2: 5})
    with diary.ledger.transaction() as connection:
        assert not barrier.is_passed(connection)
        queries.replicas.advance_offsets(connection, "contacts", {0: 2, 2: 4})
        assert not barrier.is_passed(connection)
        queries.replicas.advance_offsets(connection, "contacts", {2: 5})
        assert barrier.is_passed(connection)
    with diary.ledger.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM intake_offsets")
        assert barrier.is_passed(connection)
        assert ContactsBarrier("contacts", {}).is_passed(connection)
