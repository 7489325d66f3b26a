"""From a lapse to a message, and every reason for which there is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.clock import DAY, HOUR, MINUTE
from consumer.records import Reminder, ReminderKind
from consumer.testing import RULES

from .deliver_diary import Diary
from .detect_diary import moment


def test_from_lapse_to_read(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works()
    deliver.says("maria accepted").went_out("Maria")
    (message,) = deliver.onemsg.sent
    assert (message.phone, message.template, message.namespace, message.language) == (
        "34612345678",
        "inactivity_reminder",
        "aaaa_bbbb",
        "en",
    )
    assert message.params == ("Maria", "account setup")
    deliver.after(2_000).reports("wamid.1", "sent").works().says("maria sent")
    deliver.after(3_000).reports("wamid.1", "delivered").works().says("maria delivered")
    deliver.after(HOUR).reports("wamid.1", "read").works().says("maria read")
    assert [(s.sequence, s.final, s.source, s.attempt, s.message_id) for s in deliver.topic] == [
        (1, False, "response", 1, "wamid.1"),
        (2, False, "webhook", 1, "wamid.1"),
        (3, True, "webhook", 1, "wamid.1"),
        (4, True, "webhook", 1, "wamid.1"),
    ]
    first = deliver.topic[0]
    assert (first.process, first.step, first.medium, first.template, first.language) == (
        "account-setup",
        0,
        "whatsapp",
        "inactivity_reminder",
        "en",
    )
    assert first.lapsed_at == first.occurred_at == first.recorded_at == moment("Mon 09:00")
    deliver.after(DAY).works().says_nothing().went_out("Maria")


def test_repeated_reminder_is_one_message(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").due("maria").works()
    deliver.due("maria").works()
    deliver.crashes_and_restarts().due("maria").works()
    deliver.says("maria accepted").went_out("Maria")


def test_name_is_made_safe(deliver: Diary) -> None:
    deliver.knows("maria", name="Ana\nMaria\t" + "x" * 500).due("maria").works()
    (message,) = deliver.onemsg.sent
    assert message.params[0].startswith("Ana Maria x")
    assert len(message.params[0]) < 200


def test_template_per_process(deliver: Diary) -> None:
    deliver.knows("maria").due("maria", "checkout").works()
    (message,) = deliver.onemsg.sent
    assert (message.template, message.params[1]) == ("order_waiting", "your order")


def test_no_consent_suppresses(deliver: Diary) -> None:
    deliver.knows("maria", opt_in=False).due("maria").works().says("maria suppressed no_opt_in").went_out()
    assert deliver.topic[0].final
    deliver.knows("maria").after(DAY).works().says_nothing().went_out()
    assert deliver.metrics.suppressions.labels("account-setup", "suppressed", "no_opt_in")._value.get() == 1


@pytest.mark.parametrize(
    ("contact", "reason"),
    [
        ({"name": None}, "no_name"),
        ({"name": " \n "}, "no_name"),
        ({"phone": None}, "no_phone"),
        ({"phone": "  "}, "no_phone"),
        ({"phone": "+34 CALL ME"}, "bad_phone"),
    ],
)
class TestContactThatLacksSomething:
    def test_waits_and_goes_out_once_it_is_mended(self, deliver: Diary, contact: dict[str, Any], reason: str) -> None:
        deliver.knows("maria", **contact).due("maria").works().says(f"maria deferred {reason}").went_out()
        assert deliver.topic[0].until == moment("Thu 09:00:00.001")
        deliver.after(MINUTE).knows("maria").works().says("maria accepted").went_out("Maria")

    def test_expires_if_it_is_never_mended(self, deliver: Diary, contact: dict[str, Any], reason: str) -> None:
        deliver.knows("maria", **contact).due("maria").works().says(f"maria deferred {reason}")
        deliver.at("Tue 09:00").detect_is_at().knows("maria", **contact).works().says_nothing()
        deliver.at("Thu 09:00:00.001").detect_is_at().works().says("maria suppressed expired").went_out()


def test_consent_not_required(tmp_path: Path) -> None:
    diary = Diary(tmp_path, rules=replace(RULES, require_opt_in=False))
    diary.knows("maria", opt_in=None).due("maria").works().says("maria accepted")
    diary.close()


def test_default_name(tmp_path: Path) -> None:
    diary = Diary(tmp_path, default_name="there")
    diary.knows("maria", name=None).due("maria").works().says("maria accepted").went_out("there")
    diary.close()


def test_reminder_waits_for_its_contact(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    (waits,) = deliver.topic
    assert (waits.final, waits.until) == (False, moment("Thu 09:00") + 1)
    deliver.at("Mon 10:00").detect_is_at().works().says_nothing()
    deliver.at("Mon 11:00").detect_is_at().knows("maria").works().says("maria accepted").went_out("Maria")


def test_reminder_expires_without_a_contact(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    deliver.at("Thu 09:00").detect_is_at().works().says_nothing()
    deliver.after(1).detect_is_at().works().says("maria suppressed expired")
    deliver.knows("maria").works().says_nothing().went_out()


def test_deleted_contact_is_no_contact(deliver: Diary) -> None:
    deliver.knows("maria").forgets("maria").due("maria").works().says("maria deferred no_contact").went_out()


def test_deletion_removes_phone_and_name_everywhere(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.forgets("maria")
    with deliver.ledger.reading() as connection:
        for table in ("contacts", "reminders", "attempts", "outbox"):
            everything = str(connection.exec_driver_sql(f"SELECT * FROM {table}").all())
            assert "34612345678" not in everything.replace(" ", "")
            assert "Maria" not in everything
            assert "maria" in everything
    deliver.reports("wamid.1", "delivered").works().says("maria delivered")


def test_older_contact_record_changes_nothing(deliver: Diary) -> None:
    deliver.knows("maria", phone="+34 612 000 001")
    deliver.knows("maria", phone="+34 612 000 002")
    deliver.rereads("contacts")
    deliver.knows("maria", phone="+34 612 000 001").due("maria").works()
    assert [message.phone for message in deliver.onemsg.sent] == ["34612000002"]


def test_lapse_too_old_on_arrival_is_expired(deliver: Diary) -> None:
    deliver.at("Fri 09:00").knows("maria").knows("paul", name="Paul")
    deliver.due("maria", lapsed="Tue 08:59:59.999").due("paul", lapsed="Tue 09:00").detect_is_at().works()
    deliver.says("maria suppressed expired", "paul accepted").went_out("Paul")


def test_detect_behind_defers_until_it_has_caught_up(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul").at("Mon 12:00")
    deliver.due("maria", lapsed="Mon 09:00").due("paul", lapsed="Mon 09:00").detect_is_at("Mon 09:30").works()
    deliver.says("maria deferred detect_behind", "paul deferred detect_behind").went_out()
    deliver.after(MINUTE).detect_is_at("Mon 11:00").works().says_nothing()
    deliver.after(MINUTE).returned("paul", lapsed="Mon 09:00").works().says("paul cancelled returned")
    deliver.after(MINUTE).detect_is_at().works().says("maria accepted").went_out("Maria")


def test_watermark_per_partition(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul").at("Mon 12:00")
    deliver.due("maria", lapsed="Mon 09:00", partition=1).due("paul", lapsed="Mon 09:00", partition=2)
    deliver.detect_is_at(partition=2).works()
    deliver.says("maria deferred detect_behind", "paul accepted").went_out("Paul")


def test_watermark_never_goes_back(deliver: Diary) -> None:
    deliver.knows("maria").at("Mon 12:00").detect_is_at().detect_is_at("Mon 08:00")
    deliver.due("maria", lapsed="Mon 09:00").works().says("maria accepted")


def test_contacts_are_read_to_their_end_before_sending(tmp_path: Path) -> None:
    diary = Diary(tmp_path, contacts_end=3)
    diary.knows("maria").due("maria").works().says("maria deferred contacts_behind").went_out()
    diary.knows("paul", name="Paul").after(MINUTE).detect_is_at().works().says_nothing()
    diary.knows("maria", opt_in=False).works().says("maria suppressed no_opt_in").went_out()
    diary.crashes_and_restarts().due("paul").works().says("paul accepted")
    diary.close()


def test_contacts_topic_that_ends_without_a_record(tmp_path: Path) -> None:
    diary = Diary(tmp_path, contacts_end=7)
    diary.knows("maria").due("maria").works().says("maria deferred contacts_behind")
    diary.parts.intake.advance_offsets("contacts", {0: 6})
    diary.works().says_nothing()
    diary.parts.intake.advance_offsets("contacts", {0: 7})
    diary.works().says("maria accepted")
    diary.close()


def test_unconfigured_process_waits_and_expires(deliver: Diary) -> None:
    deliver.config["plans"] = {}
    deliver.crashes_and_restarts().knows("maria").due("maria").works()
    deliver.says("maria deferred template_unusable")
    deliver.after(15 * MINUTE).detect_is_at().works().says_nothing()
    deliver.at("Thu 09:16").detect_is_at().works().says("maria suppressed expired").went_out()


def test_incomplete_reminder_record_is_skipped(deliver: Diary) -> None:
    now = deliver.clock.now()
    nothing = Reminder(kind=ReminderKind.DUE, occurred_at=now, detected_at=now)
    deliver.takes(nothing)
    deliver.knows("maria").due("maria").works().says("maria accepted")


def test_crash_while_publishing_repeats_the_same_event_ids(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.works_in_silence().reports("wamid.1", "delivered")
    deliver.topics.failure_after = ConnectionError("no answer")
    with pytest.raises(ConnectionError):
        deliver.publishes()
    deliver.crashes_and_restarts().publishes()
    deliver.says("maria accepted", "maria delivered", "maria accepted", "maria delivered")
    assert [s.event_id for s in deliver.topic[:2]] == [s.event_id for s in deliver.topic[2:]]
    assert len({s.event_id for s in deliver.topic}) == 2
