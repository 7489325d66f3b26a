"""What follows from a refusal: the classes of contract §10."""

import pytest

from consumer.clock import DAY, HOUR, MINUTE, SECOND, Millis
from consumer.deliver.lifecycle import Defer, Fail
from consumer.deliver.retries import after_refusal, counts
from consumer.onemsg.outcomes import NotTransmitted, Rejected, Remedy

NOW = 1_767_571_200_000


def after(refusal: Rejected | NotTransmitted, refusals: int = 1, max_attempts: int = 3) -> Defer | Fail:
    return after_refusal(refusal, refusals=refusals, max_attempts=max_attempts, now=NOW, too_old_at=NOW + 71 * HOUR)


def refused(remedy: Remedy, retry_after: Millis | None = None) -> Rejected:
    return Rejected(reason="because", remedy=remedy, retry_after=retry_after)


@pytest.mark.parametrize("remedy", [Remedy.MESSAGE, Remedy.RECIPIENT, Remedy.OPT_OUT])
def test_what_will_never_be_taken_is_never_tried_again(remedy: Remedy) -> None:
    assert after(refused(remedy)) == Fail("because")


@pytest.mark.parametrize("remedy", [Remedy.TRANSIENT, Remedy.SLOW, Remedy.PAIR])
def test_each_pause_is_longer_than_the_one_before(remedy: Remedy) -> None:
    found = [after(refused(remedy), n, max_attempts=10) for n in (1, 2, 3)]
    assert [defer.reason for defer in found] == ["retry_later"] * 3
    pauses = [defer.until - NOW for defer in found if isinstance(defer, Defer)]
    assert 0 < pauses[0] < pauses[1] < pauses[2] < HOUR


def test_a_recipient_who_had_enough_for_today_is_left_alone_for_a_day() -> None:
    assert after(refused(Remedy.DAY)) == Defer("retry_later", NOW + DAY)


def test_a_pause_the_channel_asks_for_is_kept() -> None:
    assert after(refused(Remedy.SLOW, 90 * SECOND)) == Defer("retry_later", NOW + 90 * SECOND)
    assert after(refused(Remedy.SLOW, 1)) == after(refused(Remedy.SLOW))


def test_after_max_attempts_it_has_failed_for_the_last_reason() -> None:
    assert after(refused(Remedy.TRANSIENT), 3) == Fail("because")
    assert isinstance(after(NotTransmitted(reason="connect"), 2), Defer)
    assert after(NotTransmitted(reason="connect"), 3) == Fail("connect")


def test_a_stopped_channel_is_no_fault_of_the_message() -> None:
    stop = refused(Remedy.CHANNEL)
    assert not counts(stop)
    assert counts(refused(Remedy.TRANSIENT))
    assert counts(NotTransmitted(reason="connect"))
    assert after(stop, refusals=50) == Defer("channel_stopped", NOW + 71 * HOUR)


def test_a_template_that_is_refused_is_no_fault_of_the_message_either() -> None:
    gone = Rejected(reason="template_missing", remedy=Remedy.CHANNEL, template=True)
    assert not counts(gone)
    assert after(gone, refusals=50) == Defer("template_unusable", NOW + MINUTE)
