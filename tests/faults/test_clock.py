"""What moves the watermark of a partition on a real broker, and what holds it."""

import time

from consumer.clock import DAY, HOUR, MINUTE, SECOND, Millis, SystemClock
from tests.app.service import eventually
from tests.broker.broker import Broker
from tests.faults.world import PARTITIONS, Member, Upstream, World, watermarks_pass

PATIENT = {"transaction_timeout_ms": 60_000, "message_timeout_ms": 50_000, "session_timeout_ms": 30_000}
"""A short outage costs neither membership nor a transaction."""

JUMPED = "the wall clock jumped"


class SetClock(SystemClock):
    """This machine's clocks, with a wall clock that can be set wrong."""

    def __init__(self) -> None:
        self._off: Millis = 0
        self._passed: Millis = 0

    def now(self) -> Millis:
        return super().now() + self._off

    def monotonic(self) -> Millis:
        return super().monotonic() + self._passed

    def pass_by(self, span: Millis) -> None:
        """Have both clocks run on by this much at once."""
        self._passed += span
        self._off += span

    def set_off_by(self, off: Millis) -> None:
        """Set the wall clock this far from the right time."""
        self._off = off


def now() -> int:
    return int(time.time() * 1000)


def test_watermark_of_an_empty_partition_advances(world: World) -> None:
    with world.member("one") as one:
        eventually(watermarks_pass(one, now(), range(PARTITIONS)), meaning="all advance")
        eventually(watermarks_pass(one, now(), range(PARTITIONS)), meaning="and go on")


def test_open_transaction_upstream_holds_the_watermark(world: World) -> None:
    world.users_go_quiet()
    with world.member("one") as one:
        world.wait_until_all_are_reminded()
        upstream = Upstream(world)
        upstream.begin(2, b"these bytes mean nothing")
        begun = now()
        eventually(watermarks_pass(one, begun + 1_000, [0, 1, 3]), meaning="the others advance")
        stood = one.watermark(2)
        assert stood is not None
        assert stood <= begun, "records behind the open transaction cannot be read"
        upstream.abort()
        eventually(watermarks_pass(one, now(), [2]), meaning="it advances after the abort, at the end of the partition")
        upstream.begin(2, b"these bytes mean nothing either")
        upstream.commit()
        eventually(watermarks_pass(one, now(), [2]), meaning="it advances after the commit")
    assert world.dead_letters() == [b"these bytes mean nothing either"]


def test_unreachable_broker_holds_the_watermarks(pausable_kafka: Broker) -> None:
    world = World(pausable_kafka.bootstrap)
    with world.member("one", **PATIENT) as one:
        eventually(watermarks_pass(one, now(), range(PARTITIONS)), meaning="all advance")
        eventually(lambda: one.metric("lapse_watermark_delay_seconds", partition="0") < 1.5, meaning="and are on time")
        commits = one.metric("lapse_commit_seconds_count")
        eventually(lambda: one.metric("lapse_commit_seconds_count") > commits, meaning="no commit is under way")
        pausable_kafka.pause()
        eventually(lambda: one.metric("lapse_watermark_delay_seconds", partition="0") > 3, meaning="it is late")
        clocks = [one.watermark(number) for number in range(PARTITIONS)]
        eventually(lambda: one.metric("lapse_watermark_delay_seconds", partition="0") > 5, meaning="it is later still")
        assert [one.watermark(number) for number in range(PARTITIONS)] == clocks
        pausable_kafka.resume()
        eventually(watermarks_pass(one, now(), range(PARTITIONS)), meaning="all advance again")
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()
    world.close()


def test_wall_clock_that_jumps_ahead_reminds_nobody_too_early(world: World) -> None:
    clock = SetClock()
    with world.member_with_clock(clock, "one") as one:
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        clock.set_off_by(DAY)
        eventually(lambda: JUMPED in str(one.health().detail), meaning="the jump is noticed")
        assert_nobody_is_reminded_while_the_clock_is_wrong(world, one)
        clock.set_off_by(0)
        world.wait_until_all_are_reminded()
        eventually(lambda: JUMPED not in str(one.health().detail), meaning="all is well again")
    world.assert_reminded_once_each()


def test_wall_clock_that_was_stepped_once_holds_the_watermarks_for_a_minute(world: World) -> None:
    clock = SetClock()
    with world.member_with_clock(clock, "one") as one:
        eventually(watermarks_pass(one, now(), range(PARTITIONS)), meaning="all advance")
        clock.set_off_by(10 * SECOND)
        eventually(lambda: JUMPED in str(one.health().detail), meaning="the step is noticed")
        world.users_go_quiet()
        clock.pass_by(MINUTE - 10 * SECOND)
        assert one.partitions() == set(range(PARTITIONS))
        assert world.reminders.of("DUE") == []
        clock.pass_by(20 * SECOND)
        world.wait_until_all_are_reminded()
        eventually(lambda: JUMPED not in str(one.health().detail), meaning="the step is accepted")
    world.assert_reminded_once_each()


def test_wall_clock_that_is_set_back_reminds_nobody_twice(world: World) -> None:
    clock = SetClock()
    with world.member_with_clock(clock, "one") as one:
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        clock.set_off_by(-HOUR)
        eventually(lambda: JUMPED in str(one.health().detail), meaning="the jump is noticed")
        assert_nobody_is_reminded_while_the_clock_is_wrong(world, one)
        clock.set_off_by(0)
        world.wait_until_all_are_reminded()
    clock.set_off_by(-HOUR)
    with world.member_with_clock(clock, "one") as one:  # it believes its wall clock, and its state knows a later time
        eventually(lambda: len(one.partitions()) == PARTITIONS)
        assert_nobody_is_reminded_while_the_clock_is_wrong(world, one)
    with world.member("one"):
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def assert_nobody_is_reminded_while_the_clock_is_wrong(world: World, member: Member) -> None:
    """Activities are applied and committed all the same."""
    asked, heard, begun = world.reminders.of("DUE"), member.applied(), now()
    new = world.users_go_quiet()
    eventually(lambda: member.applied() == heard + len(new), meaning="it reads on")
    eventually(lambda: sum(world.committed().values()) == len(world.users), meaning="and commits")
    eventually(lambda: now() > begun + 3_000, meaning="by the right clock they have lapsed")
    assert world.reminders.of("DUE") == asked
