"""An event has a time, and its record another: neither alone leads to a reminder (ARCHITECTURE.md#lapse-rules, "Two
times")."""

import json

import numpy as np
import pytest

from consumer.activity.decoder import ActivityDecoder
from consumer.activity.json_reader import JsonReader
from consumer.clock import HOUR, MINUTE, SECOND

from .detect_diary import RULES, Diary, ladder, moment


def reads(diary: Diary, kind: str, occurred_at: int, written_at: int, process: str = "checkout") -> Diary:
    """Maria's event is decoded and applied now, as the service does it."""
    event = {"user_id": "maria", "process": process, "kind": kind, "occurred_at": occurred_at}
    decoder = ActivityDecoder(JsonReader(), clock_doubt=RULES.clock_doubt)
    decoded = decoder.decode([json.dumps(event).encode()], np.array([written_at]), diary.now)
    diary.hears(decoded.frame)
    return diary.passes()


@pytest.mark.parametrize("behind", [330 * SECOND, 59 * MINUTE, HOUR])
def test_a_payment_dated_before_the_activity_and_written_after_it_ends_the_process(behind: int) -> None:
    diary = Diary().at("Mon 09:00").happens("maria", "PROGRESSED", "checkout").passes()
    diary.at("Mon 09:00:01")
    reads(diary, "COMPLETED", diary.now - behind, diary.now)
    diary.at("Mon 12:00").passes().says_nothing()
    diary.at("Wed 12:00").passes().says_nothing()


def test_beyond_the_doubt_about_clocks_a_payment_of_before_ends_nothing() -> None:
    diary = Diary().at("Mon 09:00").happens("maria", "PROGRESSED", "checkout").passes()
    diary.at("Mon 09:00:01").happens("maria", "COMPLETED", "checkout", when="Mon 07:59").passes()
    diary.at("Mon 11:01").passes().says("DUE maria checkout 0")


def test_whoever_is_active_after_such_a_payment_starts_anew() -> None:
    diary = Diary().at("Mon 09:00").happens("maria", "PROGRESSED", "checkout").passes()
    diary.at("Mon 09:00:01").happens("maria", "COMPLETED", "checkout", when="Mon 08:54:31").passes()
    diary.at("Mon 09:20").happens("maria", "STARTED", "checkout").passes().says_nothing()
    diary.at("Mon 11:21").passes().says("DUE maria checkout 0")


def test_a_repeat_of_the_activity_or_of_an_older_one_does_not_undo_such_a_payment() -> None:
    diary = Diary().at("Mon 08:50").happens("maria", "STARTED", "checkout")
    diary.at("Mon 09:00").happens("maria", "PROGRESSED", "checkout").passes()
    diary.at("Mon 09:00:01").happens("maria", "COMPLETED", "checkout", when="Mon 08:54:31").passes()
    diary.at("Mon 09:01").happens("maria", "PROGRESSED", "checkout", when="Mon 09:00").passes()
    diary.happens("maria", "STARTED", "checkout", when="Mon 08:50").passes()
    diary.at("Mon 12:00").passes().says_nothing()


def test_such_a_payment_takes_an_asked_reminder_back() -> None:
    diary = Diary().at("Mon 09:00").happens("maria", "PROGRESSED", "checkout").passes()
    diary.at("Mon 11:01").passes().says("DUE maria checkout 0")
    diary.happens("maria", "COMPLETED", "checkout", when="Mon 08:30").passes().says("COMPLETED maria checkout 0")


def test_both_read_in_one_batch_and_after_a_restart_it_is_the_same() -> None:
    diary = Diary().at("Mon 09:00").happens("maria", "PROGRESSED", "checkout")
    diary.at("Mon 09:00:01").happens("maria", "COMPLETED", "checkout", when="Mon 08:54:31")
    diary.happens("ken", "COMPLETED", "checkout", when="Mon 08:54:31").happens("ken", "PROGRESSED", "checkout")
    diary.passes().crashes_and_restarts()
    diary.at("Mon 11:01").passes().says("DUE ken checkout 0")


@pytest.mark.parametrize("late", ["Mon 08:00", "Mon 06:59", "Sun 20:00"])
def test_an_activity_that_a_phone_kept_while_offline_is_not_answered_at_once(late: str) -> None:
    diary = Diary().at("Tue 20:01")
    happened = moment(late) if late.startswith("Mon") else moment("Mon 20:00")
    reads(diary, "PROGRESSED", happened, diary.now).says_nothing()
    diary.at("Tue 20:15").passes().says_nothing()
    diary.at("Tue 20:16:30").passes().says("DUE maria checkout 0")
    assert diary.heard[0].last_seen == happened


def test_whoever_goes_on_sending_such_activities_is_never_asked_in_the_middle_of_it() -> None:
    diary = Diary().at("Mon 14:00")
    for _ in range(30):  # a zone that was forgotten: all times are five hours early
        reads(diary, "PROGRESSED", diary.now - 5 * HOUR, diary.now).says_nothing()
        diary.now += 5 * MINUTE


def test_the_hush_is_no_longer_than_the_shortest_rung() -> None:
    diary = Diary(ladder(account_setup=(HOUR,), checkout=(MINUTE,)))
    diary.at("Mon 09:00").happens("maria", "STARTED", "checkout", when="Mon 08:30").passes()
    diary.at("Mon 09:01:29").passes().says_nothing()
    diary.at("Mon 09:01:30").passes().says("DUE maria checkout 0")


def test_a_record_whose_own_time_is_an_hour_early_does_not_set_the_event_back() -> None:
    diary = Diary().at("Mon 09:00")
    reads(diary, "PROGRESSED", diary.now, diary.now - HOUR)
    diary.at("Mon 10:30").passes().says_nothing()
    diary.at("Mon 11:00:30").passes().says("DUE maria checkout 0")


def test_a_producer_that_is_twenty_minutes_ahead_does_not_outlive_the_completion() -> None:
    diary = Diary().at("Mon 09:00")
    reads(diary, "PROGRESSED", diary.now + 20 * MINUTE, diary.now + 20 * MINUTE)
    diary.at("Mon 09:05").happens("maria", "COMPLETED", "checkout").passes()
    diary.at("Mon 12:00").passes().says_nothing()


def test_nor_does_it_in_a_history_that_is_read_later() -> None:
    diary, start = Diary().at("Mon 10:00"), moment("Mon 09:00")
    reads(diary, "PROGRESSED", start + 20 * MINUTE, start + 20 * MINUTE)
    reads(diary, "COMPLETED", start + 5 * MINUTE, start + 5 * MINUTE)
    diary.at("Mon 12:00").passes().says_nothing()


def test_old_events_that_are_written_today_have_expired_all_the_same() -> None:
    diary = Diary().at("Thu+1w 09:00")
    reads(diary, "PROGRESSED", moment("Mon 09:00"), diary.now)
    diary.at("Thu+1w 10:00").passes().says_nothing()


def test_the_latest_of_several_lapsed_steps_is_asked_for_once_the_hush_is_over() -> None:
    diary = Diary().at("Thu 10:00").happens("maria", "STARTED", when="Mon 09:00").passes().says_nothing()
    diary.at("Thu 10:15:30").passes().says("DUE maria account-setup 1")
    assert diary.heard[0].lapsed_at == moment("Thu 09:00")


def test_a_state_row_fits_one_line_of_the_processors_cache() -> None:
    table = Diary().partition.table
    assert table.store.rows.dtype.itemsize == 64
