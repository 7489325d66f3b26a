"""Detect's state was rebuilt: what is unsent waits until it is asked for again, or is no longer wanted."""

from consumer.records import Reminder, ReminderKind

from .deliver_diary import Diary


def rebuilt(diary: Diary, partition: int = 0) -> Diary:
    now = diary.clock.now()
    return diary.takes(Reminder(kind=ReminderKind.REBUILT, occurred_at=now, detected_at=now), partition)


def test_what_is_not_asked_for_again_is_cancelled_once_detect_has_caught_up(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    rebuilt(deliver).knows("maria").works().says_nothing().went_out()
    deliver.at("Mon 09:30").detect_is_at().works().says("maria cancelled superseded").went_out()


def test_what_is_asked_for_again_goes_out_once_detect_has_caught_up(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    rebuilt(deliver).knows("maria").works().says_nothing()
    deliver.due("maria", lapsed="Mon 09:00").detect_is_at().works().says("maria accepted").went_out("Maria")


def test_another_partition_is_not_affected(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    rebuilt(deliver, partition=3).knows("maria").works().says("maria accepted").went_out("Maria")


def test_what_was_sent_stays_sent(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    rebuilt(deliver).due("maria", lapsed="Mon 09:00").detect_is_at().works().says_nothing()
