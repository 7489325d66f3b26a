"""What moves the clock of a partition on a real broker, and what keeps it where it is."""

import time

from consumer.clock import DAY, HOUR, Millis, SystemClock
from tests.app.service import eventually
from tests.broker.broker import Broker
from tests.faults.world import PARTITIONS, Member, Upstream, World, clocks_pass

PATIENT = {"transaction_timeout_ms": 60_000, "message_timeout_ms": 50_000, "session_timeout_ms": 30_000}
"""A short outage costs neither membership nor a transaction."""

JUMPED = "the wall clock jumped"


class SetClock(SystemClock):
    """This machine's clocks, and somebody who sets the wall clock."""

    def __init__(self) -> None:
        self._off: Millis = 0

    def now(self) -> Millis:
        return super().now() + self._off

    def is_set(self, off: Millis) -> None:
        """So far from what it should be."""
        self._off = off


def now() -> int:
    return int(time.time() * 1000)


def test_a_partition_that_never_had_any_data_has_a_clock_that_runs(world: World) -> None:
    with world.member("one") as one:
        eventually(clocks_pass(one, now(), range(PARTITIONS)), meaning="all run")
        eventually(clocks_pass(one, now(), range(PARTITIONS)), meaning="and go on")


def test_a_transaction_left_open_upstream_stops_the_clock_until_it_is_decided(world: World) -> None:
    world.somebody_stalls()
    with world.member("one") as one:
        world.all_are_asked()
        upstream = Upstream(world)
        upstream.begins(2, b"these bytes mean nothing")
        begun = now()
        eventually(clocks_pass(one, begun + 1_000, [0, 1, 3]), meaning="the others run on")
        stood = one.clock(2)
        assert stood is not None
        assert stood <= begun, "what lies behind the open transaction cannot be read"
        upstream.aborts()
        eventually(clocks_pass(one, now(), [2]), meaning="aborted, at the end of the partition: the clock runs again")
        upstream.begins(2, b"these bytes mean nothing either")
        upstream.commits()
        eventually(clocks_pass(one, now(), [2]), meaning="committed: the clock runs on")
    assert world.dead_letters() == [b"these bytes mean nothing either"]


def test_a_broker_that_cannot_be_reached_stops_the_clocks_and_nobody_is_asked_too_early(pausable_kafka: Broker) -> None:
    world = World(pausable_kafka.bootstrap)
    with world.member("one", **PATIENT) as one:
        eventually(clocks_pass(one, now(), range(PARTITIONS)), meaning="all run")
        eventually(lambda: one.metric("lapse_watermark_delay_seconds", partition="0") < 1.5, meaning="and are on time")
        commits = one.metric("lapse_commit_seconds_count")
        eventually(lambda: one.metric("lapse_commit_seconds_count") > commits, meaning="no commit is under way")
        pausable_kafka.pause()
        eventually(lambda: one.metric("lapse_watermark_delay_seconds", partition="0") > 3, meaning="it is late")
        clocks = [one.clock(number) for number in range(PARTITIONS)]
        eventually(lambda: one.metric("lapse_watermark_delay_seconds", partition="0") > 5, meaning="it is later still")
        assert [one.clock(number) for number in range(PARTITIONS)] == clocks
        pausable_kafka.resume()
        eventually(clocks_pass(one, now(), range(PARTITIONS)), meaning="all run again")
        world.somebody_stalls()
        world.all_are_asked()
    world.nobody_was_asked_twice()
    world.close()


def test_a_wall_clock_that_jumps_ahead_asks_nobody_too_early(world: World) -> None:
    clock = SetClock()
    with world.member_by(clock, "one") as one:
        world.somebody_stalls()
        world.all_are_asked()
        clock.is_set(DAY)
        eventually(lambda: JUMPED in str(one.health().detail), meaning="it is noticed")
        nobody_is_asked_while_it_is_wrong(world, one)
        clock.is_set(0)
        world.all_are_asked()
        eventually(lambda: JUMPED not in str(one.health().detail), meaning="all is well again")
    world.nobody_was_asked_twice()


def test_a_wall_clock_that_is_set_back_has_nobody_asked_twice(world: World) -> None:
    clock = SetClock()
    with world.member_by(clock, "one") as one:
        world.somebody_stalls()
        world.all_are_asked()
        clock.is_set(-HOUR)
        eventually(lambda: JUMPED in str(one.health().detail), meaning="it is noticed")
        nobody_is_asked_while_it_is_wrong(world, one)
        clock.is_set(0)
        world.all_are_asked()
    clock.is_set(-HOUR)
    with world.member_by(clock, "one") as one:  # which believes what it finds, and remembers a later moment
        eventually(lambda: len(one.owns()) == PARTITIONS)
        nobody_is_asked_while_it_is_wrong(world, one)
    with world.member("one"):
        world.all_are_asked()
    world.nobody_was_asked_twice()


def nobody_is_asked_while_it_is_wrong(world: World, member: Member) -> None:
    """The work goes on, but for that."""
    asked, heard, begun = world.reminders.of("DUE"), member.heard(), now()
    new = world.somebody_stalls()
    eventually(lambda: member.heard() == heard + len(new), meaning="it reads on")
    eventually(lambda: sum(world.committed().values()) == len(world.everybody), meaning="and commits")
    eventually(lambda: now() > begun + 3_000, meaning="by a clock that runs they have lapsed")
    assert world.reminders.of("DUE") == asked
