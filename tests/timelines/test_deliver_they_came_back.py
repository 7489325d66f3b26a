"""RETURNED and COMPLETED, before, during and after the message; newer lapses, and the space between messages."""

from consumer.clock import HOUR, SECOND
from consumer.ledger import queries
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome

from .deliver_diary import Diary, FakeChannel
from .detect_diary import moment


def test_a_return_before_the_message_went_out_cancels_it(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    deliver.returned("maria").works().says("maria cancelled returned")
    assert deliver.topic[-1].final
    deliver.knows("maria").works().says_nothing().went_out()


def test_a_completion_that_overtakes_its_lapse_cancels_it_for_good(deliver: Diary) -> None:
    deliver.knows("maria").completed("maria").works().says("maria cancelled completed")
    deliver.due("maria").works().says_nothing().went_out()


def test_a_return_in_the_same_breath_as_the_lapse_cancels_it(deliver: Diary) -> None:
    deliver.knows("maria")
    batch = [deliver._received("reminders", deliver.ask_of(kind, "maria")) for kind in ("DUE", "RETURNED", "DUE")]
    deliver.intake.reminders(batch)
    deliver.works().says("maria cancelled returned").went_out()


def test_what_came_of_a_message_that_went_out_is_noted_and_changes_nothing(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.at("Mon 10:00").returned("maria", lapsed="Mon 09:00")
    deliver.at("Mon 11:00").completed("maria", lapsed="Mon 09:00").completed("maria", lapsed="Mon 09:00")
    deliver.works().says_nothing()
    with deliver.ledger.transaction() as connection:
        (row,) = queries.reminders.lock_by_ids(
            connection, ["maria/account-setup/" + str(moment("Mon 09:00") - 24 * HOUR) + "/0"]
        )
    assert (row.returned_at, row.completed_at) == (moment("Mon 10:00"), moment("Mon 11:00"))


def test_a_return_while_the_request_is_under_way_stops_the_second_try(deliver: Diary) -> None:
    class ReturnsMeanwhile(FakeChannel):
        async def send_template(self, message: TemplateMessage) -> Outcome:
            deliver.returned("maria", lapsed="Mon 09:00")
            self.sent.append(message)
            return NotTransmitted(reason="connect")

    deliver.channel.__class__ = ReturnsMeanwhile
    deliver.knows("maria").due("maria").works()
    deliver.says("maria rejected connect", "maria deferred retry_later")
    deliver.after(HOUR).detect_is_at().works().says("maria cancelled returned").went_out("Maria")


def test_a_newer_lapse_takes_the_place_of_one_that_has_not_gone_out(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    deliver.at("Wed 09:00").due("maria", step=1).knows("maria").works()
    deliver.says("maria cancelled superseded", "maria accepted")
    assert deliver.topic[-1].step == 1


def test_an_older_lapse_that_comes_late_does_not(deliver: Diary) -> None:
    deliver.knows("maria").at("Wed 09:00").due("maria", step=1)
    deliver.due("maria", step=0, lapsed="Mon 09:00").works()
    deliver.says("maria cancelled superseded", "maria accepted")
    assert [status.step for status in deliver.topic] == [0, 1]


def test_lapses_of_other_processes_and_people_stand_on_their_own(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul")
    deliver.due("maria").due("maria", "checkout").due("paul").works()
    deliver.says("maria accepted", "paul accepted", "maria accepted")


def test_a_newer_lapse_stops_the_second_try_of_one_that_is_under_way(deliver: Diary) -> None:
    class LapsesMeanwhile(FakeChannel):
        async def send_template(self, message: TemplateMessage) -> Outcome:
            self.sent.append(message)
            if len(self.sent) == 1:
                self.clock.advance(5 * SECOND)
                deliver.due("maria", step=1, lapsed="Wed 09:00")
                return NotTransmitted(reason="connect")
            return Accepted(message_id="wamid.2")

    deliver.channel.__class__ = LapsesMeanwhile
    deliver.knows("maria").at("Wed 09:00").due("maria", lapsed="Mon 09:00").detect_is_at().works()
    deliver.says("maria rejected connect", "maria deferred retry_later", "maria accepted")
    deliver.after(HOUR).detect_is_at().works().says("maria cancelled superseded")


def test_the_second_step_of_the_ladder_goes_out_after_the_first(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.at("Wed 09:00").due("maria", step=1).works().says("maria accepted", "maria accepted no_report")
    deliver.went_out("Maria", "Maria")


def test_two_messages_are_never_closer_than_the_ladder_allows(deliver: Diary) -> None:
    """The first was a day late, for want of a contact; the second is on time."""
    deliver.due("maria").works().says("maria deferred no_contact")
    deliver.at("Tue 12:00").detect_is_at().knows("maria").works().says("maria accepted")
    deliver.at("Wed 09:00").due("maria", step=1).works().says("maria deferred too_soon")
    assert deliver.topic[-1].until == moment("Wed 12:00")
    deliver.at("Wed 11:59:59.999").detect_is_at().works().says_nothing()
    deliver.at("Wed 12:00").works().says("maria accepted").went_out("Maria", "Maria")


def test_a_lapse_that_a_late_event_moved_is_not_told_twice(deliver: Diary) -> None:
    """The user was seen a little later than detect knew: another id, and the same silence."""
    deliver.knows("maria").due("maria", lapsed="Mon 09:00").works().says("maria accepted")
    deliver.at("Mon 09:10").due("maria", lapsed="Mon 09:05").detect_is_at().works()
    deliver.says("maria suppressed already_asked").went_out("Maria")
