"""Rules 1 to 6 of ARCHITECTURE.md#lapse-rules, told by a clock."""

from dataclasses import replace

from consumer.clock import HOUR

from .detect_diary import RULES, Diary, ladder, moment


def test_a_client_stalls_in_the_middle_of_account_setup() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes().says_nothing()
    diary.at("Mon 21:00").passes().says_nothing()
    diary.at("Tue 09:00:30").passes().says("DUE maria account-setup 0")
    (due,) = diary.heard
    assert due.last_seen == moment("Mon 09:00")
    assert due.lapsed_at == due.occurred_at == moment("Tue 09:00")
    assert due.detected_at == moment("Tue 09:00:30")
    diary.at("Wed 09:00").passes().says_nothing()
    diary.at("Thu 09:00:30").passes().says("DUE maria account-setup 1")
    diary.at("Sun 09:00").passes().says_nothing()


def test_a_gap_of_exactly_the_threshold_is_a_lapse_and_a_millisecond_less_is_not() -> None:
    diary = Diary(replace(RULES, allowed_lateness=0))
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Tue 08:59:59.999").passes().says_nothing()
    diary.at("Tue 09:00:00.000").passes().says("DUE maria account-setup 0")


def test_lateness_is_waited_for_to_the_millisecond() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Tue 09:00:29.999").passes().says_nothing()
    diary.at("Tue 09:00:30.000").passes().says("DUE maria account-setup 0")


def test_every_sign_of_life_starts_the_wait_anew() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Tue 08:59").happens("maria", "PROGRESSED").passes().says_nothing()
    diary.at("Wed 08:59").passes().says_nothing()
    diary.at("Wed 09:00").passes().says("DUE maria account-setup 0")


def test_whoever_finished_or_cancelled_hears_nothing() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").happens("ken", "STARTED").passes()
    diary.at("Mon 10:00").happens("maria", "COMPLETED").happens("ken", "CANCELLED").passes()
    diary.at("Sat 10:00").passes().says_nothing()


def test_a_completion_that_arrives_before_its_start_still_counts() -> None:
    diary = Diary()
    diary.at("Mon 10:00").happens("maria", "COMPLETED").passes()
    diary.at("Mon 10:01").happens("maria", "STARTED", when="Mon 09:00").passes()
    diary.at("Thu 10:00").passes().says_nothing()


def test_a_page_view_straight_after_the_completion_is_no_new_start() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Mon 10:00").happens("maria", "COMPLETED").passes()
    diary.at("Mon 10:05").happens("maria", "PROGRESSED").passes()
    diary.at("Thu 10:00").passes().says_nothing()


def test_a_view_a_millisecond_past_the_settling_time_is_a_new_start() -> None:
    diary = Diary()
    diary.at("Mon 10:00").happens("maria", "COMPLETED").passes()
    diary.at("Mon 10:05:00.001").happens("maria", "PROGRESSED").passes()
    diary.at("Tue 10:06").passes().says("DUE maria account-setup 0")


def test_the_same_person_can_stall_in_two_processes() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").happens("maria", "STARTED", "checkout").passes()
    diary.at("Mon 12:00").passes().says("DUE maria checkout 0")
    diary.at("Tue 12:00").passes().says("DUE maria account-setup 0")


def test_a_return_and_then_a_completion_are_each_told_once_with_the_asked_reminders_id() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")
    asked = diary.heard[0].reminder_id
    diary.at("Tue 10:00").happens("maria", "PROGRESSED").passes().says("RETURNED maria account-setup 0")
    assert diary.heard[0].reminder_id == asked
    diary.at("Tue 10:01").happens("maria", "PROGRESSED").passes().says_nothing()
    diary.at("Tue 10:02").happens("maria", "COMPLETED").passes().says("COMPLETED maria account-setup 0")
    assert diary.heard[0].reminder_id == asked
    diary.at("Tue 10:03").happens("maria", "COMPLETED").happens("maria", "PROGRESSED").passes().says_nothing()


def test_a_completion_told_late_takes_the_reminder_back() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "PROGRESSED").passes()
    diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")
    diary.at("Tue 09:02").happens("maria", "COMPLETED", when="Mon 08:58").passes().says(
        "COMPLETED maria account-setup 0"
    )


def test_a_cancellation_is_told_as_one_once_also_after_a_return() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").happens("ken", "STARTED").passes()
    diary.at("Tue 09:01").passes().says("DUE maria account-setup 0", "DUE ken account-setup 0")
    diary.at("Tue 10:00").happens("maria", "CANCELLED").passes().says("CANCELLED maria account-setup 0")
    assert diary.heard[0].occurred_at == moment("Tue 10:00")
    diary.at("Tue 11:00").happens("ken", "PROGRESSED").passes().says("RETURNED ken account-setup 0")
    diary.at("Tue 12:00").happens("ken", "CANCELLED").passes().says("CANCELLED ken account-setup 0")
    diary.at("Tue 13:00").happens("ken", "COMPLETED").happens("maria", "COMPLETED").passes().says_nothing()


def test_of_a_completion_and_a_cancellation_the_later_counts_and_at_equal_times_the_completion() -> None:
    for kinds in (("COMPLETED", "CANCELLED"), ("CANCELLED", "COMPLETED")):
        diary = Diary()
        diary.at("Mon 09:00").happens("maria", "STARTED").happens("ken", "STARTED").passes()
        diary.at("Tue 09:01").passes().says("DUE maria account-setup 0", "DUE ken account-setup 0")
        diary.at("Tue 10:00")
        for kind in kinds:
            diary.happens("maria", kind)
        diary.happens("ken", "CANCELLED").happens("ken", "COMPLETED", when="Tue 09:59")
        diary.passes().says("COMPLETED maria account-setup 0", "CANCELLED ken account-setup 0")


def test_a_restart_remembers_which_kind_the_latest_ending_was() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", when="Mon 08:00").passes()
    diary.at("Mon 06:00").happens("maria", "CANCELLED").passes()
    diary.crashes_and_restarts()
    diary.at("Tue 08:01").passes().says("DUE maria account-setup 0")
    diary.at("Tue 09:00").happens("maria", "COMPLETED", when="Mon 05:00").passes().says_nothing()
    diary.happens("maria", "COMPLETED", when="Mon 06:00").passes().says_nothing()
    diary.happens("maria", "CANCELLED", when="Mon 09:00").passes().says("CANCELLED maria account-setup 0")


def test_after_a_return_the_ladder_begins_again() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")
    diary.at("Tue 20:00").happens("maria", "PROGRESSED").passes().says("RETURNED maria account-setup 0")
    diary.at("Wed 20:01").passes().says("DUE maria account-setup 0")
    diary.at("Fri 20:01").passes().says("DUE maria account-setup 1")


def test_of_several_steps_that_lapsed_only_the_latest_is_asked_for() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED")
    diary.at("Thu 10:00").passes().says("DUE maria account-setup 1")
    diary.at("Fri 10:00").passes().says_nothing()


def test_a_lapse_too_old_to_be_of_use_is_never_asked_for() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", "checkout")
    diary.at("Thu 11:00:00.001").passes().says_nothing()
    diary.at("Thu 12:00").happens("maria", "COMPLETED", "checkout").passes().says_nothing()


def test_a_lapse_exactly_as_old_as_allowed_is_asked_for() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", "checkout")
    diary.at("Thu 11:00:00.000").passes().says("DUE maria checkout 0")


def test_a_closed_key_is_forgotten_and_a_repeated_start_brings_nothing_back() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", "checkout").happens("maria", "COMPLETED", "checkout").passes()
    diary.at("Sun 09:00:29.999").passes()
    assert len(diary.partition.table) == 1
    diary.at("Sun 09:00:30").passes()
    assert len(diary.partition.table) == 0
    diary.at("Sun 09:01").happens("maria", "STARTED", "checkout", when="Mon 09:00").passes().says_nothing()
    diary.at("Mon+1w 09:01").passes().says_nothing()


def test_somebody_who_never_finished_is_forgotten_after_a_month() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", "checkout").passes()
    diary.at("Mon+4w 09:00").passes()
    diary.at("Wed+4w 08:59:59.999").passes()
    assert len(diary.partition.table) == 1
    diary.at("Wed+4w 09:00").passes()
    assert len(diary.partition.table) == 0


def test_the_latest_action_is_told_and_at_equal_times_the_greater() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", action="passport").passes()
    diary.happens("maria", "PROGRESSED", action="photo").passes()
    diary.happens("maria", "PROGRESSED", action="agreement").passes()
    diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")
    assert diary.heard[0].action == "photo"


def test_a_restart_changes_nothing_about_anybody() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", action="passport").passes()
    diary.crashes_and_restarts()
    diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")
    assert diary.heard[0].action == "passport"
    diary.crashes_and_restarts()
    diary.at("Tue 09:02").passes().says_nothing()
    diary.at("Tue 09:03").happens("maria", "COMPLETED").passes().says("COMPLETED maria account-setup 0")
    diary.crashes_and_restarts()
    diary.at("Tue 09:04").happens("maria", "COMPLETED").passes().says_nothing()


def test_steps_that_were_past_when_the_ladder_changed_are_skipped() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")
    longer = ladder(account_setup=(HOUR, 24 * HOUR, 72 * HOUR), checkout=(2 * HOUR,))
    diary.crashes_and_restarts(longer).at("Tue 12:00").passes().says_nothing()
    diary.at("Thu 09:01").passes().says("DUE maria account-setup 2")


def test_processes_may_change_places_vanish_and_come_back_in_the_file() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", "checkout").happens("ken", "STARTED").passes()
    diary.crashes_and_restarts(ladder(account_setup=(24 * HOUR, 72 * HOUR)))
    diary.at("Mon 12:00").passes().says_nothing()
    diary.crashes_and_restarts(ladder(checkout=(2 * HOUR,), account_setup=(24 * HOUR, 72 * HOUR)))
    diary.at("Mon 12:01").passes().says("DUE maria checkout 0")
    diary.at("Tue 09:01").passes().says("DUE ken account-setup 0")


def test_a_first_run_over_a_year_of_history_writes_to_nobody_who_left_long_ago() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").happens("ken", "STARTED").happens("ken", "COMPLETED")
    diary.at("Mon+2w 09:00").happens("eve", "STARTED", when="Sun+1w 08:00", written="Sun+1w 08:00")
    diary.passes().says("DUE eve account-setup 0")
    diary.at("Wed+2w 08:01").passes().says("DUE eve account-setup 1")


def test_after_an_outage_what_is_still_of_use_is_asked_for_and_what_expired_stays_silent() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", "checkout").happens("ken", "STARTED").passes()
    diary.crashes_and_restarts()
    diary.at("Fri 12:00").reads().says_nothing()
    diary.passes().says("DUE ken account-setup 1")
    diary.at("Fri 12:01").happens("maria", "PROGRESSED", "checkout").passes().says_nothing()
    diary.at("Fri 14:02").passes().says("DUE maria checkout 0")


def test_after_an_expired_step_the_next_one_is_asked_for_in_its_time() -> None:
    diary = Diary(ladder(account_setup=(HOUR, 200 * HOUR)))
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Sat 09:00").passes().says_nothing()
    diary.at("Tue+1w 17:01").passes().says("DUE maria account-setup 1")


def test_a_process_that_got_another_name_begins_anew_and_the_old_one_goes_on_being_applied() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", "checkout").passes()
    diary.at("Mon 11:01").passes().says("DUE maria checkout 0")
    diary.crashes_and_restarts(ladder(account_setup=(24 * HOUR, 72 * HOUR), order=(2 * HOUR,)))
    diary.at("Mon 12:00").happens("maria", "COMPLETED", "checkout").passes().says("COMPLETED maria checkout 0")
    diary.happens("ken", "STARTED", "checkout").passes()
    diary.at("Mon 13:00").happens("maria", "STARTED", "order").passes()
    diary.at("Mon 15:01").passes().says("DUE maria order 0")


def test_a_ladder_that_lost_its_last_step_asks_for_no_more() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED").passes()
    diary.at("Tue 09:01").passes().says("DUE maria account-setup 0")
    diary.crashes_and_restarts(ladder(account_setup=(24 * HOUR,), checkout=(2 * HOUR,)))
    diary.at("Thu 10:00").passes().says_nothing()
    diary.at("Thu 11:00").happens("maria", "COMPLETED").passes().says("COMPLETED maria account-setup 0")


def test_a_millisecond_before_it_is_forgotten_a_repeated_start_still_finds_its_completion() -> None:
    diary = Diary()
    diary.at("Mon 09:00").happens("maria", "STARTED", "checkout").happens("maria", "COMPLETED", "checkout").passes()
    diary.at("Sun 09:00:29.999").happens("maria", "STARTED", "checkout", when="Mon 09:00").passes().says_nothing()
    assert len(diary.partition.table) == 1
