"""RETURNED and COMPLETED before, during and after sending; newer lapses; spacing."""

from dataclasses import replace

from consumer.clock import HOUR, SECOND
from consumer.ledger import queries
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome
from consumer.testing import FakeOneMsg

from .deliver_diary import Diary
from .detect_diary import moment


def test_return_before_sending_cancels(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    deliver.returned("maria").works().says("maria cancelled returned")
    assert deliver.topic[-1].final
    deliver.knows("maria").works().says_nothing().went_out()


def test_completion_before_its_lapse_record_cancels(deliver: Diary) -> None:
    deliver.knows("maria").completed("maria").works().says("maria cancelled completed")
    deliver.due("maria").works().says_nothing().went_out()


def test_return_in_the_same_batch_as_the_lapse(deliver: Diary) -> None:
    deliver.knows("maria")
    batch = [deliver.received("reminders", deliver.reminder(kind, "maria")) for kind in ("DUE", "RETURNED", "DUE")]
    deliver.parts.intake.take_reminders(batch)
    deliver.works().says("maria cancelled returned").went_out()


def test_endings_after_sending_are_stored(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.at("Mon 10:00").returned("maria", lapsed="Mon 09:00")
    deliver.at("Mon 11:00").completed("maria", lapsed="Mon 09:00").completed("maria", lapsed="Mon 09:00")
    deliver.works().says_nothing()
    with deliver.ledger.transaction() as connection:
        (row,) = queries.reminders.lock_by_ids(
            connection, ["maria/account-setup/" + str(moment("Mon 09:00") - 24 * HOUR) + "/0"]
        )
    assert (row.returned_at, row.completed_at) == (moment("Mon 10:00"), moment("Mon 11:00"))


def test_return_during_the_request_stops_the_retry(deliver: Diary) -> None:
    class ReturnsMeanwhile(FakeOneMsg):
        async def send_template(self, message: TemplateMessage) -> Outcome:
            deliver.returned("maria", lapsed="Mon 09:00")
            self.sent.append(message)
            return NotTransmitted(reason="connect")

    deliver.onemsg.__class__ = ReturnsMeanwhile
    deliver.knows("maria").due("maria").works()
    deliver.says("maria rejected connect", "maria deferred retry_later")
    deliver.after(HOUR).detect_is_at().works().says("maria cancelled returned").went_out("Maria")


def test_newer_lapse_supersedes_an_unsent_one(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    deliver.at("Wed 09:00").due("maria", step=1).knows("maria").works()
    deliver.says("maria cancelled superseded", "maria accepted")
    assert deliver.topic[-1].step == 1


def test_older_lapse_that_comes_late_is_superseded(deliver: Diary) -> None:
    deliver.knows("maria").at("Wed 09:00").due("maria", step=1)
    deliver.due("maria", step=0, lapsed="Mon 09:00").works()
    deliver.says("maria cancelled superseded", "maria accepted")
    assert [status.step for status in deliver.topic] == [0, 1]


def test_lapses_of_other_processes_and_users_are_independent(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul")
    deliver.due("maria").due("maria", "checkout").due("paul").works()
    deliver.says("maria accepted", "paul accepted", "maria accepted")


def test_newer_lapse_during_the_request_stops_the_retry(deliver: Diary) -> None:
    class LapsesMeanwhile(FakeOneMsg):
        async def send_template(self, message: TemplateMessage) -> Outcome:
            self.sent.append(message)
            if len(self.sent) == 1:
                deliver.after(5 * SECOND)
                deliver.due("maria", step=1, lapsed="Wed 09:00")
                return NotTransmitted(reason="connect")
            return Accepted(message_id="wamid.2")

    deliver.onemsg.__class__ = LapsesMeanwhile
    deliver.knows("maria").at("Wed 09:00").due("maria", lapsed="Mon 09:00").detect_is_at().works()
    deliver.says("maria rejected connect", "maria deferred retry_later", "maria accepted")
    deliver.after(HOUR).detect_is_at().works().says("maria cancelled superseded")


def test_second_step_goes_out_after_the_first(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.at("Wed 09:00").due("maria", step=1).works().says("maria accepted", "maria accepted no_report")
    deliver.went_out("Maria", "Maria")


def test_spacing_of_the_shortest_rung(deliver: Diary) -> None:
    """The first message is a day late because the contact was missing; the second is on time."""
    deliver.due("maria").works().says("maria deferred no_contact")
    deliver.at("Tue 12:00").detect_is_at().knows("maria").works().says("maria accepted")
    deliver.at("Wed 09:00").due("maria", step=1).works().says("maria deferred too_soon")
    assert deliver.topic[-1].until == moment("Wed 12:00")
    deliver.at("Wed 11:59:59.999").detect_is_at().works().says_nothing()
    deliver.at("Wed 12:00").works().says("maria accepted").went_out("Maria", "Maria")


def test_lapse_moved_by_a_late_event_is_already_asked(deliver: Diary) -> None:
    """The user was seen a little later than detect knew: another reminder id for the same silence."""
    deliver.knows("maria").due("maria", lapsed="Mon 09:00").works().says("maria accepted")
    deliver.at("Mon 09:10").due("maria", lapsed="Mon 09:05").detect_is_at().works()
    deliver.says("maria suppressed already_asked").went_out("Maria")


def test_next_rung_that_takes_the_number_of_one_taken_out_is_sent(deliver: Diary) -> None:
    """24h and 72h become 72h alone, between the two: what is due then is step 0, as the first reminder was."""
    deliver.knows("maria").at("Tue 09:00").due("maria", lapsed="Tue 09:00").works().says("maria accepted")
    deliver.at("Thu 09:00").detect_is_at()
    second = deliver.reminder("DUE", "maria", step=1)
    deliver.takes(replace(second, step=0, reminder_id="maria/account-setup/72h")).works()
    deliver.says("maria accepted", "maria accepted no_report").went_out("Maria", "Maria")
