"""What follows from a refusal: the classes of contract §10."""

import pytest

from consumer.clock import DAY, HOUR, MINUTE, SECOND, Millis
from consumer.deliver.lifecycle import Defer, Fail
from consumer.deliver.policy.retries import after_refusal, counts_as_attempt
from consumer.onemsg.outcomes import NotTransmitted, Rejected, Remedy

NOW = 1_767_571_200_000


def after(refusal: Rejected | NotTransmitted, attempt: int = 1, *, is_last: bool = False) -> Defer | Fail:
    return after_refusal(refusal, attempt=attempt, is_last=is_last, now=NOW, too_old_at=NOW + 71 * HOUR)


def refused(remedy: Remedy, retry_after: Millis | None = None) -> Rejected:
    return Rejected(reason="because", remedy=remedy, retry_after=retry_after)


@pytest.mark.parametrize("remedy", [Remedy.MESSAGE, Remedy.RECIPIENT, Remedy.OPT_OUT])
def test_what_will_never_be_taken_is_never_tried_again(remedy: Remedy) -> None:
    assert after(refused(remedy)) == Fail("because")


@pytest.mark.parametrize("remedy", [Remedy.TRANSIENT, Remedy.SLOW, Remedy.PAIR])
def test_each_pause_is_longer_than_the_one_before(remedy: Remedy) -> None:
    found = [after(refused(remedy), n) for n in (1, 2, 3)]
    assert [defer.reason for defer in found] == ["retry_later"] * 3
    pauses = [defer.until - NOW for defer in found if isinstance(defer, Defer)]
    assert 0 < pauses[0] < pauses[1] < pauses[2] < HOUR


def test_a_recipient_who_had_enough_for_today_is_left_alone_for_a_day() -> None:
    assert after(refused(Remedy.DAY)) == Defer("retry_later", NOW + DAY)


def test_a_pause_the_channel_asks_for_is_kept() -> None:
    assert after(refused(Remedy.SLOW, 90 * SECOND)) == Defer("retry_later", NOW + 90 * SECOND)
    assert after(refused(Remedy.SLOW, 1)) == after(refused(Remedy.SLOW))


def test_after_max_attempts_it_has_failed_for_the_last_reason() -> None:
    assert after(refused(Remedy.TRANSIENT), 3, is_last=True) == Fail("because")
    assert isinstance(after(refused(Remedy.TRANSIENT), 2), Defer)


def test_to_one_recipient_the_pauses_are_powers_of_four() -> None:
    found = [after(refused(Remedy.PAIR), n) for n in (1, 2, 3, 4)]
    assert [each.until - NOW for each in found if isinstance(each, Defer)] == [n * SECOND for n in (1, 4, 16, 64)]


@pytest.mark.parametrize("remedy", [Remedy.SLOW, Remedy.PAIR, Remedy.CHANNEL])
def test_a_channel_that_takes_nothing_or_not_so_fast_is_no_fault_of_the_message(remedy: Remedy) -> None:
    assert not counts_as_attempt(refused(remedy))
    assert counts_as_attempt(refused(Remedy.TRANSIENT))
    assert counts_as_attempt(refused(Remedy.DAY))


def test_neither_is_a_line_that_is_down() -> None:
    assert not counts_as_attempt(NotTransmitted(reason="connect"))
    assert isinstance(after(NotTransmitted(reason="connect"), 50), Defer)


def test_what_waits_for_a_stopped_channel_waits_as_long_as_it_lives() -> None:
    assert after(refused(Remedy.CHANNEL), 50) == Defer("channel_stopped", NOW + 71 * HOUR)


def test_a_template_that_is_refused_is_no_fault_of_the_message_either() -> None:
    gone = Rejected(reason="template_missing", remedy=Remedy.CHANNEL, template=True)
    assert not counts_as_attempt(gone)
    assert after(gone, 50) == Defer("template_unusable", NOW + MINUTE)
