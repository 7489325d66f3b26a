"""Frequency caps: by user and by phone, whatever the process."""

from collections.abc import Callable

import hypothesis.strategies as st
from hypothesis import given

from consumer.clock import DAY, HOUR, SECOND
from consumer.deliver.policy.frequency_cap import next_allowed
from consumer.onemsg.outcomes import Rejected, Remedy, Unknown

from .deliver_diary import Diary
from .detect_diary import moment

Begin = Callable[..., Diary]


def test_daily_cap_counts_every_process(begin: Begin) -> None:
    diary = begin(caps={DAY: 1}).knows("maria").due("maria").works().says("maria accepted")
    diary.at("Mon 11:00").due("maria", "checkout").works().says("maria deferred frequency_cap")
    assert diary.topic[-1].until == moment("Tue 09:00")
    diary.at("Tue 08:59:59.999").detect_is_at().works().says_nothing()
    diary.at("Tue 09:00").works().says("maria accepted").went_out("Maria", "Maria")


def test_two_due_together_go_out_a_day_apart(begin: Begin) -> None:
    diary = begin(caps={DAY: 1}).knows("maria").due("maria").due("maria", "checkout").works()
    diary.says("maria accepted", "maria deferred frequency_cap")
    diary.at("Tue 09:00").detect_is_at().works().says("maria accepted", "maria accepted no_report")


def test_shared_phone_is_one_recipient_within_a_batch(begin: Begin) -> None:
    diary = begin(caps={DAY: 1}).knows("maria").knows("paul", name="Paul")
    diary.due("maria").due("paul").works()
    diary.says("maria accepted", "paul deferred frequency_cap").went_out("Maria")


def test_cap_follows_the_user_to_a_new_phone(begin: Begin) -> None:
    diary = begin(caps={DAY: 1}).knows("maria").due("maria").works().says("maria accepted")
    diary.knows("maria", phone="+34 699 999 999").due("maria", "checkout").works()
    diary.says("maria deferred frequency_cap").went_out("Maria")


def test_unknown_attempt_counts_against_the_cap(begin: Begin) -> None:
    diary = begin(caps={DAY: 1}).knows("maria")
    diary.onemsg.answers = [Unknown(reason="timeout")]
    diary.due("maria").works().says("maria unknown timeout")
    diary.due("maria", "checkout").works().says("maria deferred frequency_cap")


def test_refused_attempt_does_not_count_against_the_cap(begin: Begin) -> None:
    diary = begin(caps={DAY: 1}).knows("maria")
    diary.onemsg.answers = [Rejected(reason="bad_parameter", remedy=Remedy.MESSAGE)]
    diary.due("maria").works().says("maria rejected bad_parameter", "maria failed bad_parameter")
    diary.due("maria", "checkout").works().says("maria accepted")


def test_journalled_attempt_counts_after_a_crash(begin: Begin) -> None:
    diary = begin(caps={DAY: 1}).knows("maria").due("maria")
    (attempt,) = diary.parts.claims.take(10).attempts
    assert attempt.number == 1
    diary.crashes_and_restarts()
    diary.due("maria", "checkout").works().says("maria deferred frequency_cap").went_out()


def test_longest_wait_of_several_caps_decides(begin: Begin) -> None:
    diary = begin(caps={DAY: 1, 3 * DAY: 2}).knows("maria")
    diary.due("maria", "checkout").works().says("maria accepted")
    diary.at("Tue 09:00").due("maria", "checkout").works().says("maria accepted", "maria accepted no_report")
    diary.at("Wed 10:00").due("maria", "checkout").works()
    diary.says("maria deferred frequency_cap", "maria accepted no_report")
    assert diary.topic[-2].until == moment("Thu 09:00")


def test_reminder_expires_while_capped(begin: Begin) -> None:
    diary = begin(caps={7 * DAY: 1}).knows("maria").due("maria").works().says("maria accepted")
    diary.at("Mon 11:00").due("maria", "checkout").works().says("maria deferred frequency_cap")
    assert diary.topic[-1].until == moment("Thu 11:00:00.001")
    diary.at("Thu 11:00:00.001").detect_is_at().works().went_out("Maria")
    diary.says("maria suppressed expired", "maria accepted no_report")


def test_return_while_capped_cancels(begin: Begin) -> None:
    diary = begin(caps={DAY: 1}).knows("maria").due("maria").due("maria", "checkout").works()
    diary.says("maria accepted", "maria deferred frequency_cap")
    diary.at("Mon 20:00").returned("maria", "checkout", lapsed="Mon 09:00").works().says("maria cancelled returned")


@given(st.lists(st.integers(0, 100), max_size=8), st.dictionaries(st.integers(1, 60), st.integers(1, 4)))
def test_next_allowed_is_the_first_moment_that_keeps_every_cap(written: list[int], caps: dict[int, int]) -> None:
    now = max(written, default=0)

    def kept(at: int) -> bool:
        return all(sum(at - span < each <= at for each in written) < most for span, most in caps.items())

    first = next(at for at in range(now, now + 200) if kept(at))
    assert max(now, next_allowed(written, caps)) == first


def test_next_allowed_without_caps() -> None:
    assert next_allowed([SECOND, HOUR], {}) == 0
