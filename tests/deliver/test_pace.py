"""The right to send, by a clock that moves when told to."""

from consumer.clock import SECOND, ManualClock
from consumer.deliver.pace import TokenBucket


def test_over_any_stretch_no_more_leave_than_the_rate_allows() -> None:
    clock = ManualClock()
    bucket = TokenBucket(80, clock)
    taken = bucket.take(1000)
    for _ in range(100):
        clock.advance(100)
        taken += bucket.take(1000)
    assert taken == 20 + 80 * 10


def test_what_was_not_used_is_there_for_the_next() -> None:
    bucket = TokenBucket(80, ManualClock())
    assert bucket.take(15) == 15
    bucket.give_back(10)
    assert bucket.take(1000) == 15


def test_a_rate_below_one_a_second_lets_one_leave_now_and_then() -> None:
    clock = ManualClock()
    bucket = TokenBucket(0.5, clock)
    assert bucket.take(10) == 1
    clock.advance(1_999)
    assert bucket.take(10) == 0
    clock.advance(1)
    assert bucket.take(10) == 1


def test_a_wall_clock_that_jumps_gives_no_rights() -> None:
    clock = ManualClock()
    bucket = TokenBucket(80, clock)
    bucket.take(1000)
    clock.jump(SECOND)
    assert bucket.take(1000) == 0


def test_when_the_channel_says_slower_nothing_leaves_for_so_long() -> None:
    clock = ManualClock()
    for rate in (80, None):
        bucket = TokenBucket(rate, clock)
        bucket.hold(10 * SECOND)
        bucket.hold(5 * SECOND)
        clock.advance(10 * SECOND - 1)
        assert bucket.take(1) == 0
        clock.advance(1)
        assert bucket.take(1) == 1


def test_without_a_rate_everything_may_leave() -> None:
    assert TokenBucket(None, ManualClock()).take(1000) == 1000
