"""What holds lapses back, on a real broker: an input that died, also across a restart, also a sparse one, also beside a
partition that is stuck; too many lapses at once."""

import time
from typing import Any

from confluent_kafka import Producer

from consumer.clock import HOUR, MINUTE, SECOND, Clock
from consumer.config.settings import Settings
from tests.app.service import eventually
from tests.faults.test_clock import SetClock
from tests.faults.world import PARTITIONS, Member, Upstream, World, watermarks_pass


def now() -> int:
    return int(time.time() * 1000)


def write(world: World, begin: int, end: int, count: int, *, users: str) -> list[str]:
    """Write so many users' activities, as evenly spread over this span as if it had been seen live."""
    producer = Producer({"bootstrap.servers": world.bootstrap})
    names = [f"{users}-{number}" for number in range(count)]
    for number, user in enumerate(names):
        at = begin + (end - begin) * number // count
        activity = {"event_id": user, "user_id": user, "process": "checkout", "kind": "STARTED", "action": None}
        value = world.platform.bytes_of("user_activity", activity | {"occurred_at": at})
        producer.produce(world.topic("activity"), value, user.encode(), timestamp=at)
        producer.poll(0)
    assert producer.flush(30) == 0
    return names


def member(world: World, clock: Clock | None = None, *, expire_after: str = "1h", **brake: Any) -> Member:
    file = world.file("one")
    file["detect"]["brake"] = brake
    file["policy"]["expire_after"] = expire_after
    return Member(Settings.model_validate(file), clock)


def test_input_that_died_holds_lapses_back_across_restarts_until_it_is_back(world: World) -> None:
    start = now()
    before = write(world, start - 40 * MINUTE, start - 5 * MINUTE, 20_000, users="before")
    for _ in range(2):  # the second time from what the first one has stored
        with member(world) as one:
            eventually(watermarks_pass(one, now(), range(PARTITIONS)), meaning="everything is read")
            eventually(lambda: one.loop.brake_control.status.engaged == "below_mean", meaning="the silence is noticed")
            eventually(lambda: one.loop.brake_control.status.held == len(before), meaning="all lapses are held")
    assert world.reminders.of("DUE") == []
    back = write(world, now() - 2 * MINUTE, now(), 2_000, users="back")
    with member(world):
        world.users += [*before, *back]
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def test_sparse_input_that_died_is_missed_over_a_longer_time(world: World) -> None:
    """Two records a minute in all four partitions together: of one alone, hours of silence mean nothing."""
    end = now() - 2 * HOUR
    before = write(world, end - 8 * HOUR, end, 2 * 8 * 60, users="before")
    with member(world, expire_after="1d") as one:
        eventually(lambda: one.loop.brake_control.status.engaged == "below_mean", meaning="the silence is noticed")
        eventually(lambda: one.loop.brake_control.status.held == len(before), meaning="all lapses are held")
        eventually(watermarks_pass(one, now(), range(PARTITIONS)), meaning="and time passes")
        assert world.reminders.of("DUE") == []
        world.users += [*before, *write(world, now() - MINUTE, now(), 60, users="back")]
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def test_stuck_partition_hides_neither_lapses_nor_the_silence_of_the_others(world: World) -> None:
    """Somebody's transaction stays open in partition 2, so nothing behind it can be read."""
    clock, stuck, others = SetClock(), 2, {0, 1, 3}
    world.users += write(world, now() - 30 * MINUTE, now(), 5_000, users="before")
    with member(world, clock) as one:
        world.wait_until_all_are_reminded()
        upstream = Upstream(world)
        upstream.begin(stuck, b"these bytes mean nothing")
        write(world, now(), now() + 1, 400, users="after")
        after = {user: place for user, place in world.partitions_by_user().items() if user.startswith("after")}
        in_others = {user for user, place in after.items() if place in others}
        assert len(in_others) < len(after)
        eventually(lambda: in_others <= set(world.reminders.of("DUE")), meaning="the others' lapses are asked for")
        clock.pass_by(3 * MINUTE)
        eventually(lambda: one.loop.brake_control.status.engaged == "below_mean", meaning="the silence is noticed")
        assert {user for user in world.reminders.of("DUE") if user.startswith("after")} == in_others
        upstream.abort()
        world.users += [*after, *write(world, clock.now() - MINUTE, clock.now(), 2_000, users="back")]
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def test_first_start_with_more_lapses_than_the_limit_asks_for_none_until_released(world: World) -> None:
    world.users += write(world, now() - 30 * MINUTE, now(), 500, users="before")
    with member(world, lapse_limit=100, share_of_mean=None) as one:
        eventually(lambda: one.loop.brake_control.status.engaged == "lapse_storm", meaning="the storm is noticed")
        eventually(watermarks_pass(one, now() + SECOND, range(PARTITIONS)), meaning="time passes")
        assert world.reminders.of("DUE") == []
        one.loop.brake_control.release().result(30)
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def test_more_lapses_than_a_turn_takes_are_each_asked_for_once_across_a_restart(world: World) -> None:
    world.users += write(world, now() - 30 * MINUTE, now(), 25_000, users="before")
    with member(world, share_of_mean=None) as first:
        eventually(lambda: asked_by(first), meaning="the first are asked for")
    with member(world, share_of_mean=None) as second:
        world.users_go_quiet()
        everybody = len(world.users)
        eventually(lambda: asked_by(first) + asked_by(second) >= everybody, 120, meaning="all are asked for")
    world.assert_reminded_once_each()


def asked_by(member: Member) -> float:
    """Return how many of its DUE were committed."""
    return member.metric("lapse_reminders_total", process="checkout", step="0", kind="DUE")
