"""How often somebody is written to, whatever it is about, and whoever of a family has the phone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from consumer.clock import DAY, HOUR, SECOND
from consumer.deliver.policy.frequency_cap import next_allowed
from consumer.onemsg.outcomes import Rejected, Remedy, Unknown

from .deliver_diary import Diary
from .detect_diary import moment

Begin = Callable[..., Diary]


@pytest.fixture
def begin(ledger_url: str, tmp_path: Path) -> Iterator[Begin]:
    begun: list[Diary] = []

    def with_caps(caps: dict[int, int], **more: Any) -> Diary:
        begun.append(Diary(tmp_path, url=ledger_url, caps=caps, **more))
        return begun[-1]

    yield with_caps
    for diary in begun:
        diary.close()


def test_one_message_a_day_whatever_it_is_about(begin: Begin) -> None:
    diary = begin({DAY: 1}).knows("maria").due("maria").works().says("maria accepted")
    diary.at("Mon 11:00").due("maria", "checkout").works().says("maria deferred frequency_cap")
    assert diary.topic[-1].until == moment("Tue 09:00")
    diary.at("Tue 08:59:59.999").detect_is_at().works().says_nothing()
    diary.at("Tue 09:00").works().says("maria accepted").went_out("Maria", "Maria")


def test_two_that_are_due_together_go_out_a_day_apart(begin: Begin) -> None:
    diary = begin({DAY: 1}).knows("maria").due("maria").due("maria", "checkout").works()
    diary.says("maria accepted", "maria deferred frequency_cap")
    diary.at("Tue 09:00").detect_is_at().works().says("maria accepted", "maria accepted no_report")


def test_a_phone_that_two_users_share_is_one_recipient_even_in_one_batch(begin: Begin) -> None:
    diary = begin({DAY: 1}).knows("maria").knows("paul", name="Paul")
    diary.due("maria").due("paul").works()
    diary.says("maria accepted", "paul deferred frequency_cap").went_out("Maria")


def test_a_user_with_a_new_phone_is_the_same_user(begin: Begin) -> None:
    diary = begin({DAY: 1}).knows("maria").due("maria").works().says("maria accepted")
    diary.knows("maria", phone="+34 699 999 999").due("maria", "checkout").works()
    diary.says("maria deferred frequency_cap").went_out("Maria")


def test_an_attempt_of_which_nobody_knows_whether_it_went_out_counts(begin: Begin) -> None:
    diary = begin({DAY: 1}).knows("maria")
    diary.onemsg.answers = [Unknown(reason="timeout")]
    diary.due("maria").works().says("maria unknown timeout")
    diary.due("maria", "checkout").works().says("maria deferred frequency_cap")


def test_an_attempt_that_was_certainly_refused_does_not(begin: Begin) -> None:
    diary = begin({DAY: 1}).knows("maria")
    diary.onemsg.answers = [Rejected(reason="bad_parameter", remedy=Remedy.MESSAGE)]
    diary.due("maria").works().says("maria rejected bad_parameter", "maria failed bad_parameter")
    diary.due("maria", "checkout").works().says("maria accepted")


def test_an_attempt_counts_from_the_moment_it_is_journalled_even_if_the_process_dies(begin: Begin) -> None:
    diary = begin({DAY: 1}).knows("maria").due("maria")
    (attempt,) = diary.parts.claims.take(10).attempts
    assert attempt.number == 1
    diary.crashes_and_restarts()
    diary.due("maria", "checkout").works().says("maria deferred frequency_cap").went_out()


def test_every_cap_is_kept_and_the_longest_wait_decides(begin: Begin) -> None:
    diary = begin({DAY: 1, 3 * DAY: 2}).knows("maria")
    diary.due("maria", "checkout").works().says("maria accepted")
    diary.at("Tue 09:00").due("maria", "checkout").works().says("maria accepted", "maria accepted no_report")
    diary.at("Wed 10:00").due("maria", "checkout").works()
    diary.says("maria deferred frequency_cap", "maria accepted no_report")
    assert diary.topic[-2].until == moment("Thu 09:00")


def test_what_the_cap_would_keep_beyond_its_age_expires_in_time(begin: Begin) -> None:
    diary = begin({7 * DAY: 1}).knows("maria").due("maria").works().says("maria accepted")
    diary.at("Mon 11:00").due("maria", "checkout").works().says("maria deferred frequency_cap")
    assert diary.topic[-1].until == moment("Thu 11:00:00.001")
    diary.at("Thu 11:00:00.001").detect_is_at().works().went_out("Maria")
    diary.says("maria suppressed expired", "maria accepted no_report")


def test_whoever_returns_meanwhile_hears_nothing_more(begin: Begin) -> None:
    diary = begin({DAY: 1}).knows("maria").due("maria").due("maria", "checkout").works()
    diary.says("maria accepted", "maria deferred frequency_cap")
    diary.at("Mon 20:00").returned("maria", "checkout", lapsed="Mon 09:00").works().says("maria cancelled returned")


@given(st.lists(st.integers(0, 100), max_size=8), st.dictionaries(st.integers(1, 60), st.integers(1, 4)))
def test_the_moment_that_is_named_is_the_first_at_which_every_cap_is_kept(
    written: list[int], caps: dict[int, int]
) -> None:
    now = max(written, default=0)

    def kept(at: int) -> bool:
        return all(sum(at - span < each <= at for each in written) < most for span, most in caps.items())

    first = next(at for at in range(now, now + 200) if kept(at))
    assert max(now, next_allowed(written, caps)) == first


def test_without_caps_nothing_counts() -> None:
    assert next_allowed([SECOND, HOUR], {}) == 0
