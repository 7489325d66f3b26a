"""What follows from a refusal: the remedies of docs/1msg.md#error-codes."""

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
def test_final_refusals_are_not_retried(remedy: Remedy) -> None:
    assert after(refused(remedy)) == Fail("because")


@pytest.mark.parametrize("remedy", [Remedy.TRANSIENT, Remedy.SLOW, Remedy.PAIR])
def test_backoff_grows(remedy: Remedy) -> None:
    found = [after(refused(remedy), n) for n in (1, 2, 3)]
    assert [defer.reason for defer in found] == ["retry_later"] * 3
    pauses = [defer.until - NOW for defer in found if isinstance(defer, Defer)]
    assert 0 < pauses[0] < pauses[1] < pauses[2] < HOUR


def test_daily_limit_waits_a_day() -> None:
    assert after(refused(Remedy.DAY)) == Defer("retry_later", NOW + DAY)


def test_retry_after_is_obeyed() -> None:
    assert after(refused(Remedy.SLOW, 90 * SECOND)) == Defer("retry_later", NOW + 90 * SECOND)
    assert after(refused(Remedy.SLOW, 1)) == after(refused(Remedy.SLOW))


def test_max_attempts_ends_in_failure() -> None:
    assert after(refused(Remedy.TRANSIENT), 3, is_last=True) == Fail("because")
    assert isinstance(after(refused(Remedy.TRANSIENT), 2), Defer)


def test_pair_limit_waits_powers_of_four() -> None:
    found = [after(refused(Remedy.PAIR), n) for n in (1, 2, 3, 4)]
    assert [each.until - NOW for each in found if isinstance(each, Defer)] == [n * SECOND for n in (1, 4, 16, 64)]


@pytest.mark.parametrize("remedy", [Remedy.SLOW, Remedy.PAIR, Remedy.CHANNEL])
def test_channel_and_rate_refusals_do_not_count_as_attempts(remedy: Remedy) -> None:
    assert not counts_as_attempt(refused(remedy))
    assert counts_as_attempt(refused(Remedy.TRANSIENT))
    assert counts_as_attempt(refused(Remedy.DAY))


def test_connection_failures_do_not_count_as_attempts() -> None:
    assert not counts_as_attempt(NotTransmitted(reason="connect"))
    assert isinstance(after(NotTransmitted(reason="connect"), 50), Defer)


def test_stopped_channel_defers_until_expiry() -> None:
    assert after(refused(Remedy.CHANNEL), 50) == Defer("channel_stopped", NOW + 71 * HOUR)


def test_template_refusals_do_not_count_as_attempts() -> None:
    gone = Rejected(reason="template_missing", remedy=Remedy.CHANNEL, template=True)
    assert not counts_as_attempt(gone)
    assert after(gone, 50) == Defer("template_unusable", NOW + MINUTE)
