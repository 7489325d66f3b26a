"""A ledger restored from a backup: what was unsent then may have been sent since."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from consumer.clock import DAY, MINUTE, SECOND, Millis
from consumer.deliver.operations import ledger_restore
from consumer.ledger import queries
from consumer.onemsg.outcomes import Rejected, Remedy
from consumer.onemsg.webhook.notifications import Echo

from ..ledger.databases import unused_sqlite
from .deliver_diary import ORDER_TEMPLATE, ORDER_TEXT, TEMPLATE, TEXT, Diary
from .detect_diary import moment


def restored(deliver: Diary, until: int) -> None:
    """The consumer group has read partition 0 of the reminders up to this offset, and the ledger has not."""
    lost = {"reminders": {0: until}}
    ledger_restore.mark_unsent_unknown(deliver.ledger, lost, metrics=deliver.metrics, now=deliver.clock.now)


def test_restore_makes_unsent_reminders_unknown(deliver: Diary) -> None:
    deliver.knows("anna", name="Anna").due("anna").works().says("anna accepted")
    deliver.due("bea").works().says("bea deferred no_contact")
    restored(deliver, 2)
    deliver.knows("bea", name="Bea").works().says("bea unknown ledger_restored")
    deliver.after(DAY).detect_is_at().works().says("bea unresolved gave_up", "anna accepted no_report")
    deliver.went_out("Anna")


def test_restore_makes_reread_reminders_unknown(deliver: Diary) -> None:
    for name in ("Anna", "Bea"):
        deliver.knows(name.lower(), name=name, phone=f"+34 612 345 67{len(name)}")
    restored(deliver, 1)
    deliver.due("anna").due("bea").works().says("anna unknown ledger_restored", "bea accepted")
    deliver.went_out("Bea")


def test_restored_unknown_counts_as_an_attempt(deliver: Diary) -> None:
    deliver.knows("anna", name="Anna")
    restored(deliver, 1)
    deliver.due("anna").works().says("anna unknown ledger_restored")
    deliver.after(60_000).due("anna").works().says("anna suppressed already_asked")
    deliver.went_out()


def test_doubtful_offsets_are_stored(deliver: Diary) -> None:
    restored(deliver, 5)
    with deliver.ledger.reading() as connection:
        assert queries.replicas.doubtful_offsets(connection, "reminders") == {0: 5}
        assert queries.replicas.doubtful_offsets(connection, "contacts") == {}


def test_records_after_a_restore_are_not_taken_for_those_before(deliver: Diary) -> None:
    """What was published after the backup has the next numbers already."""
    deliver.knows("anna", name="Anna").due("anna").due("bea").works()
    before = {status.event_id for status in deliver.topic}
    restored(deliver, 3)
    deliver.reports("wamid.1", "delivered").due("carl").works()
    after = deliver.topic[2:]
    assert {status.user_id: status.sequence > 1_000 for status in after} == dict.fromkeys(("anna", "bea", "carl"), True)
    assert before.isdisjoint(status.event_id for status in after)


def test_second_restore_of_one_backup_repeats_no_number_of_the_first(tmp_path: Path) -> None:
    url = unused_sqlite(tmp_path)
    file, backup = Path(url.removeprefix("sqlite:///")), tmp_path / "backup.db"
    deliver = Diary(tmp_path, url=url)
    deliver.knows("anna", name="Anna").due("anna").due("bea").works()
    deliver.close()
    shutil.copy(file, backup)
    for _ in range(2):
        deliver.crashes_and_restarts()
        restored(deliver, 3)
        deliver.reports("wamid.1", "sent", "delivered")
        for user in ("bea", "carl"):
            deliver.returned(user, lapsed="Mon 09:00")
        deliver.works()
        deliver.after(10 * SECOND).close()
        for each in file.parent.glob(f"{file.name}-*"):
            each.unlink()
        shutil.copy(backup, file)
    told = [f"{status.user_id} {status.status}" for status in deliver.topic[2:]]
    assert told == 2 * ["bea unknown", "anna sent", "anna delivered", "carl cancelled"]
    assert len({status.event_id for status in deliver.topic}) == len(deliver.topic)


def test_ledger_that_begins_anew_repeats_no_number_of_the_one_before(deliver: Diary, tmp_path: Path) -> None:
    """What lapsed before is over for it; that the person came back is told all the same, and falls back nowhere."""
    deliver.knows("anna", name="Anna").due("anna").works().reports("wamid.1", "delivered").works()
    (tmp_path / "anew").mkdir()
    anew = Diary(tmp_path / "anew", clock=deliver.clock)
    with anew.ledger.transaction() as connection:  # as `lapse ledger begin` does
        queries.sequences.put_first_sequence(connection, ledger_restore.first_sequence(anew.clock.now()))
    anew.returned("anna").works().says("anna cancelled returned")
    assert {status.event_id for status in deliver.topic}.isdisjoint(status.event_id for status in anew.topic)
    assert anew.topic[-1].sequence > deliver.topic[-1].sequence
    anew.close()


def lost_attempt(deliver: Diary, text: str = TEXT, **contact: Any) -> Diary:
    """Maria lapsed at 9:00 and was written to at 9:10; the ledger was restored at 13:00 and knows nothing of it."""
    deliver.lists(TEMPLATE, ORDER_TEMPLATE).knows("maria", **contact)
    deliver.onemsg.listed = [echo("wamid.lost", moment("Mon 09:10"), text)]
    deliver.at("Mon 13:00").detect_is_at()
    restored(deliver, 99)
    return deliver.due("maria", lapsed="Mon 09:00").works().says("maria unknown ledger_restored")


def echo(message_id: str, at: Millis, text: str = TEXT) -> Echo:
    return Echo(message_id=message_id, recipient="34612345678", at=at, body=text)


def test_lost_attempt_is_found_in_the_list_and_followed(deliver: Diary) -> None:
    lost_attempt(deliver).after(3 * MINUTE).works().says("maria accepted")
    deliver.reports("wamid.lost", "delivered").works().says("maria delivered").went_out()


def test_lost_attempt_of_a_reminder_that_the_backup_has_is_found(deliver: Diary) -> None:
    deliver.lists(TEMPLATE, ORDER_TEMPLATE).knows("maria").due("maria")
    deliver.onemsg.listed = [echo("wamid.lost", moment("Mon 09:10"))]
    deliver.at("Mon 13:00")
    restored(deliver, 99)
    deliver.after(3 * MINUTE).detect_is_at().works().says("maria unknown ledger_restored", "maria accepted").went_out()


def test_lost_attempt_is_found_once_the_template_is_known(deliver: Diary) -> None:
    deliver.knows("maria").at("Mon 13:00").detect_is_at()
    deliver.onemsg.listed = [echo("wamid.lost", moment("Mon 09:10"))]
    restored(deliver, 99)
    deliver.due("maria", lapsed="Mon 09:00").after(3 * MINUTE).works().says("maria unknown ledger_restored")
    deliver.lists(TEMPLATE, ORDER_TEMPLATE).after(10 * MINUTE).works().says("maria accepted").went_out()


@pytest.mark.parametrize("text", ["Hello, Maria!", ORDER_TEXT, TEXT.replace("Maria", "Marta")])
def test_message_with_another_text_is_not_taken_for_the_lost_one(deliver: Diary, text: str) -> None:
    lost_attempt(deliver, text).after(3 * MINUTE).works().says_nothing()
    deliver.after(DAY).works().says("maria unresolved gave_up").went_out()


@pytest.mark.parametrize("when", ["Mon 08:58", "Mon 13:06"])
def test_message_from_before_the_lapse_or_after_the_restore_is_another_one(deliver: Diary, when: str) -> None:
    deliver.onemsg.listed = []
    lost_attempt(deliver).onemsg.listed = [echo("wamid.other", moment(when))]
    deliver.at("Mon 13:10").works().after(DAY).works().says("maria unresolved gave_up").went_out()


def test_two_messages_that_fit_settle_nothing(deliver: Diary) -> None:
    lost_attempt(deliver).onemsg.listed.append(echo("wamid.twin", moment("Mon 11:00")))
    deliver.after(3 * MINUTE).works().after(DAY).works().says("maria unresolved gave_up").went_out()


def test_two_lost_attempts_that_fit_settle_nothing(deliver: Diary) -> None:
    """Another account has the number: nobody can tell whose message it was."""
    lost_attempt(deliver).knows("twin", updated_at=0)
    restored(deliver, 99)
    deliver.due("twin", lapsed="Mon 09:00").after(3 * MINUTE).works().says("twin unknown ledger_restored")
    deliver.after(DAY).works().says("maria unresolved gave_up", "twin unresolved gave_up").went_out()


def test_lost_attempt_to_a_contact_that_has_changed_is_not_looked_for(deliver: Diary) -> None:
    lost_attempt(deliver).knows("maria", phone="+34 612 345 678").after(3 * MINUTE).works().says_nothing()
    assert deliver.onemsg.list_requests == []
    deliver.after(DAY).works().says("maria unresolved gave_up").went_out()


def test_contact_that_has_changed_counts_with_the_number_that_was_tried_before(deliver: Diary) -> None:
    deliver.onemsg.answers = [Rejected(reason="try_again", remedy=Remedy.TRANSIENT)]
    deliver.lists(TEMPLATE, ORDER_TEMPLATE).knows("maria").due("maria").works()
    deliver.at("Mon 13:00").knows("maria").unchecked()
    deliver.onemsg.listed = [echo("wamid.lost", moment("Mon 09:30"))]
    restored(deliver, 99)
    deliver.after(3 * MINUTE).works().says("maria unknown ledger_restored", "maria accepted").went_out("Maria")


def test_lost_attempt_to_an_erased_person_is_not_looked_for(deliver: Diary) -> None:
    lost_attempt(deliver).forgets("maria").after(3 * MINUTE).works().says_nothing()
    assert deliver.onemsg.list_requests == []
