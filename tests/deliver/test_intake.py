"""Batches from Kafka: repeated, out of order, large, and in one transaction with their offsets."""

from dataclasses import replace
from typing import Any

import pytest

from consumer.clock import HOUR, MINUTE
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.ledger import queries
from consumer.ledger.queries.replicas import DetectStanding
from consumer.records import Contact, Received, Reminder, ReminderKind

from ..timelines.deliver_diary import Diary


def asks(diary: Diary, *kinds: tuple[str, str]) -> list[Received[Reminder]]:
    return [diary.received("reminders", diary.reminder(kind, user)) for kind, user in kinds]


def offsets(diary: Diary, topic: str) -> dict[int, int]:
    with diary.ledger.reading() as connection:
        return queries.replicas.next_offsets(connection, topic)


def test_repeated_batch_changes_nothing(diary: Diary) -> None:
    batch = asks(diary, ("DUE", "ana"), ("DUE", "ben"), ("RETURNED", "ben"), ("DUE", "cleo"), ("COMPLETED", "dan"))
    diary.parts.intake.take_reminders(batch)
    before = diary.rows()
    diary.after(MINUTE)
    diary.parts.intake.take_reminders(batch)
    diary.parts.intake.take_reminders(batch[2:])
    assert diary.rows() == before
    diary.publishes().says("ben cancelled returned", "dan cancelled completed")


def test_offsets_are_stored_and_never_go_back(diary: Diary) -> None:
    batch = asks(diary, *(("DUE", f"user {n}") for n in range(5)))
    diary.parts.intake.take_reminders(batch)
    diary.parts.intake.take_reminders(batch[:2])
    diary.knows("ana").knows("ben")
    assert offsets(diary, "reminders") == {0: 5}
    assert offsets(diary, "contacts") == {0: 2}


def test_processes_that_are_not_configured_share_one_label(diary: Diary) -> None:
    reminders = [replace(diary.reminder("RETURNED", f"user {n}"), process=f"forged {n}") for n in range(50)]
    diary.parts.intake.take_reminders([diary.received("reminders", each) for each in reminders])
    assert len(diary.rows()) == 50
    (metric,) = diary.metrics.statuses.collect()
    assert {sample.labels["process"]: sample.value for sample in metric.samples if sample.name.endswith("_total")} == {
        "other": 50
    }


def test_failed_batch_leaves_neither_rows_nor_offsets(diary: Diary) -> None:
    (good,) = asks(diary, ("DUE", "ana"))
    bad: Any = Received(topic="reminders", partition=0, offset="not an offset", key=None, value=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        diary.parts.intake.take_reminders([good, bad])
    assert diary.rows() == []
    assert offsets(diary, "reminders") == {}


def test_batch_larger_than_one_statement(diary: Diary) -> None:
    count = 1_300
    contacts = [
        diary.received("contacts", Contact(user_id=f"user {n}", name="Maria", updated_at=0)) for n in range(count)
    ]
    diary.parts.intake.take_contacts(contacts)
    diary.parts.intake.take_reminders(asks(diary, *(("DUE", f"user {n}") for n in range(count))))
    diary.parts.intake.take_reminders(asks(diary, *(("RETURNED", f"user {n}") for n in range(count))))
    assert {(row.status, row.reason) for row in diary.rows()} == {("cancelled", "returned")}
    assert len(diary.rows()) == count


def test_last_contact_record_of_a_batch_counts(diary: Diary) -> None:
    words = [Contact(user_id="maria", name=name, phone="+34 612 345 678", opt_in=True, updated_at=0) for name in "ABC"]
    diary.parts.intake.take_contacts([diary.received("contacts", word) for word in words])
    diary.due("maria").works().went_out("C")


def test_contact_without_user_is_skipped(diary: Diary) -> None:
    diary.parts.intake.take_contacts(
        [
            diary.received("contacts", None, key=None),
            diary.received("contacts", Contact(user_id="", updated_at=0)),
            diary.received("contacts", Contact(user_id="maria", name="Maria", updated_at=0)),
        ]
    )
    with diary.ledger.reading() as connection:
        assert set(queries.contacts.by_user(connection, {"", "maria"})) == {"maria"}
    assert offsets(diary, "contacts") == {0: 3}


def test_nul_in_a_name_is_removed(diary: Diary) -> None:
    diary.knows("maria", name="Ma\0ria").due("maria").works().went_out("Maria")


def test_due_record_advances_the_watermark(diary: Diary) -> None:
    """The first lapse of a partition need not wait for its first watermark."""
    diary.knows("maria").due("maria", partition=3).works().says("maria accepted")
    diary.after(HOUR).due("maria", "checkout", partition=3).works().says("maria accepted")


@pytest.mark.parametrize("kind", [ReminderKind.WATERMARK, ReminderKind.DUE])
def test_watermark_of_the_year_9999_counts_as_now(diary: Diary, kind: ReminderKind) -> None:
    """Else detect would count as fresh for ever, though none was running."""
    end_of_time = 253_370_764_800_000
    lapse = diary.knows("maria").reminder("DUE", "maria")
    diary.takes(replace(diary.reminder(kind, "ben"), occurred_at=end_of_time, lapsed_at=end_of_time))
    diary.after(HOUR).takes(lapse).works()
    assert diary.topic[-1].reason == "detect_behind"
    diary.went_out()


def test_watermark_in_the_future_that_was_stored_before_is_put_right(diary: Diary) -> None:
    with diary.ledger.transaction() as connection:
        queries.replicas.advance_watermarks(
            connection, {0: DetectStanding(diary.clock.now() + 10 * HOUR)}, diary.clock.now()
        )
    diary.detect_is_at()
    with diary.ledger.reading() as connection:
        assert queries.replicas.watermarks(connection) == {0: diary.clock.now()}


def test_contacts_barrier_passes_at_the_end_of_every_partition_and_stays_passed(diary: Diary) -> None:
    barrier = ContactsBarrier("contacts", {0: 2, 1: 0, 2: 5})
    with diary.ledger.transaction() as connection:
        assert not barrier.is_passed(connection, 0)
        queries.replicas.advance_offsets(connection, "contacts", {0: 2, 2: 4})
        assert not barrier.is_passed(connection, 0)
        queries.replicas.advance_offsets(connection, "contacts", {2: 5})
        assert barrier.is_passed(connection, 0)
    with diary.ledger.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM intake_offsets")
        assert barrier.is_passed(connection, 0)
        assert ContactsBarrier("contacts", {}).is_passed(connection, 0)


def test_contacts_barrier_closes_when_no_end_was_reached_lately(diary: Diary) -> None:
    barrier = ContactsBarrier("contacts", {0: 2}, asked_at=1_000, max_staleness=100)
    with diary.ledger.transaction() as connection:
        queries.replicas.advance_offsets(connection, "contacts", {0: 2})
        assert (barrier.is_passed(connection, 1_099), barrier.is_passed(connection, 1_100)) == (True, False)
        barrier.add_ends({0: 2}, 1_100)
        barrier.add_ends({0: 3}, 1_150)  # written meanwhile, and not read
        assert (barrier.is_passed(connection, 1_199), barrier.is_passed(connection, 1_200)) == (True, False)
        queries.replicas.advance_offsets(connection, "contacts", {0: 3})
        assert barrier.is_passed(connection, 1_200)


def test_contacts_topic_that_was_made_anew_is_read_again(diary: Diary) -> None:
    for _ in range(3):
        diary.knows("maria", name="Maria")
    diary.rereads("contacts").knows("maria", opt_in=False)  # offset 0 of the new topic
    diary.due("maria").works().says("maria accepted")
    with diary.ledger.transaction() as connection:
        queries.replicas.read_again(connection, "contacts", {0: 3})
        queries.contacts.forget_offsets(connection)
        assert queries.replicas.next_offsets(connection, "contacts") == {0: 0}
    diary.rereads("contacts").knows("maria", opt_in=False).due("maria", "checkout").works()
    diary.says("maria suppressed no_opt_in")


def test_what_detect_told_of_a_partition_is_kept_until_it_tells_more(diary: Diary) -> None:
    def told() -> dict[int, DetectStanding]:
        with diary.ledger.reading() as connection:
            return queries.replicas.detect_standings(connection)

    begin = diary.clock.now()
    diary.detect_is_at(watched=7, held=3, brake="below_mean", distrusted=False).after(MINUTE)
    diary.due("maria")  # a reminder moves the watermark, and tells nothing else
    assert told() == {0: DetectStanding(diary.clock.now(), 7, 3, "below_mean", False)}
    diary.detect_is_at(watched=8, held=0, distrusted=True)  # the watermark need not move for it
    assert told() == {0: DetectStanding(diary.clock.now(), 8, 0, None, True)}
    record = Reminder(kind=ReminderKind.WATERMARK, occurred_at=begin, detected_at=begin, watched=1)
    diary.takes(record)  # one that is repeated later does not count
    assert told() == {0: DetectStanding(diary.clock.now(), 8, 0, None, True)}
    diary.after(MINUTE).detect_is_at()  # as a detect of an earlier version tells it
    assert told() == {0: DetectStanding(diary.clock.now(), 8, 0, None, True)}
