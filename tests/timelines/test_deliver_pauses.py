"""An operator pauses a process or everything: nothing goes out, nothing is lost, old reminders expire."""

import pytest

from consumer.clock import HOUR
from consumer.deliver.operations import pauses
from consumer.ledger import queries
from consumer.onemsg.outcomes import NotTransmitted

from .deliver_diary import Diary
from .detect_diary import moment


def pause(diary: Diary, process: str = "") -> None:
    with diary.ledger.transaction() as connection:
        queries.pauses.pause(connection, process, diary.clock.now())


def resume(diary: Diary, process: str = "") -> int:
    with diary.ledger.transaction() as connection:
        return pauses.resume(connection, process)


def test_pause_of_one_process(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul", phone="+34 677 777 777")
    pause(deliver, "checkout")
    deliver.due("maria", "checkout").due("paul").works()
    deliver.says("maria deferred paused", "paul accepted").went_out("Paul")
    assert deliver.topic[0].until == moment("Thu 09:00:00.001")  # at the latest: when it would expire
    deliver.at("Mon 15:00").detect_is_at().works().says_nothing()
    assert resume(deliver, "checkout") == 1
    deliver.works().says("maria accepted").went_out("Paul", "Maria")


def test_pause_of_everything_and_of_a_process(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul", phone="+34 677 777 777")
    pause(deliver)
    pause(deliver, "checkout")
    deliver.due("maria", "checkout").due("paul").works().says("maria deferred paused", "paul deferred paused")
    assert resume(deliver) == 2
    deliver.works().says("paul accepted")
    deliver.at("Mon 10:00").detect_is_at().works().says_nothing()
    resume(deliver, "checkout")
    deliver.works().says("maria accepted")


def test_pause_survives_a_restart(deliver: Diary) -> None:
    pause(deliver)
    deliver.crashes_and_restarts()
    deliver.knows("maria").due("maria").works().says("maria deferred paused").went_out()


@pytest.mark.parametrize("ending", ["returned", "completed"])
def test_ending_during_a_pause_cancels(deliver: Diary, ending: str) -> None:
    pause(deliver)
    deliver.knows("maria").due("maria").works().says("maria deferred paused")
    getattr(deliver.at("Mon 12:00"), ending)("maria", lapsed="Mon 09:00").works().says(f"maria cancelled {ending}")
    assert resume(deliver) == 0
    deliver.works().says_nothing().went_out()


def test_reminder_expires_during_a_pause(deliver: Diary) -> None:
    pause(deliver)
    deliver.knows("maria").due("maria").knows("paul", name="Paul", phone="+34 677 777 777").works()
    deliver.says("maria deferred paused")
    deliver.at("Thu 09:00").detect_is_at().due("paul", lapsed="Mon 09:00").works().says("paul deferred paused")
    resume(deliver)
    deliver.works().says("maria accepted", "paul accepted")  # exactly three days old is not too old
    pause(deliver)
    deliver.due("maria", "checkout", lapsed="Mon 09:00").works().says("maria deferred paused")
    deliver.after(1).detect_is_at().works().says("maria suppressed expired")


def test_suppression_during_a_pause(deliver: Diary) -> None:
    pause(deliver)
    deliver.knows("maria", opt_in=False).due("maria").works().says("maria suppressed no_opt_in")


def test_retry_waits_for_the_end_of_a_pause(deliver: Diary) -> None:
    deliver.onemsg.answers = [NotTransmitted(reason="connect")]
    deliver.knows("maria").due("maria").works().says("maria rejected connect", "maria deferred retry_later")
    pause(deliver)
    deliver.after(HOUR).detect_is_at().works().says("maria deferred paused")
    resume(deliver)
    deliver.works().says("maria accepted").went_out("Maria", "Maria")


def test_pauses_in_detail_and_metric(deliver: Diary) -> None:
    seen = pauses.PauseWatcher(deliver.ledger, deliver.metrics)
    seen.refresh()
    assert seen.detail is None
    pause(deliver, "checkout")
    pause(deliver)
    seen.refresh()
    assert seen.detail == "paused: everything, checkout"
    assert deliver.metrics.paused.labels("*")._value.get() == 1
    resume(deliver)
    seen.refresh()
    assert seen.detail == "paused: checkout"
    assert deliver.metrics.paused.labels("*")._value.get() == 0
