"""A broker that does not answer for a while, or dies and comes back: nothing is lost or doubled."""

import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.app.service import eventually
from tests.broker.broker import Broker
from tests.faults.world import PARTITIONS, SupervisedProcess, World

PATIENT = {"transaction_timeout_ms": 60_000, "message_timeout_ms": 50_000, "session_timeout_ms": 30_000}
"""A short outage costs neither membership nor a transaction."""


@pytest.fixture
def world(pausable_kafka: Broker) -> Iterator[World]:
    with closing(World(pausable_kafka.bootstrap)) as made:
        yield made


def test_detect_waits_for_a_paused_broker_and_goes_on(pausable_kafka: Broker, world: World) -> None:
    with world.member("one", **PATIENT) as one:
        eventually(lambda: one.health().ok and len(one.partitions()) == PARTITIONS)
        world.users_go_quiet()
        one.before_offsets(pausable_kafka.pause)
        try:
            eventually(lambda: not one.health().ok, meaning="health reports the wait")
            assert one.health().detail == "waiting for the broker, to answer a transaction"
        finally:
            pausable_kafka.resume()  # the loop would else never end
        world.wait_until_all_are_reminded()
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def test_stop_while_the_broker_is_silent_ends_and_a_restart_goes_on(
    pausable_kafka: Broker, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    with world.process("one", "produced", "SIGSTOP", **PATIENT) as first:
        world.users_go_quiet()
        first.wait_until_stopped()
        pausable_kafka.pause()
        first.resume()
        assert first.exit_code(signal.SIGTERM, 30) == 0, "in the middle of a transaction"
    assert "stopped_unanswered" in capfd.readouterr().out
    pausable_kafka.resume()
    with world.process("one", **PATIENT) as second:
        world.wait_until_all_are_reminded()
        world.users_go_quiet()
        pausable_kafka.pause()
        assert second.exit_code(signal.SIGTERM) == 0, "before any call has timed out"
        pausable_kafka.resume()
    with world.process("one", **PATIENT) as third:
        world.wait_until_all_are_reminded()
        assert third.exit_code(signal.SIGTERM) == 0
    world.assert_reminded_once_each()


def test_killed_broker_loses_and_doubles_nothing(own_kafka: Broker) -> None:
    with closing(World(own_kafka.bootstrap)) as world, SupervisedProcess(world, "one", **PATIENT) as one:
        world.users_go_quiet()
        one.wait_until(world.all_are_reminded, meaning="all are reminded")
        for _ in range(2):
            world.users_go_quiet()
            own_kafka.kill()
            own_kafka.start()
            world.users_go_quiet()
            one.wait_until(world.all_are_reminded, meaning="it goes on")
        one.stop()
        world.assert_reminded_once_each()
