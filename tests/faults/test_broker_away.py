"""A broker that does not answer for a while, or dies and comes back: nothing is lost, and nobody is asked twice."""

import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.app.service import eventually
from tests.broker.broker import Broker
from tests.faults.world import PARTITIONS, KeptUp, World

PATIENT = {"transaction_timeout_ms": 60_000, "message_timeout_ms": 50_000, "session_timeout_ms": 30_000}
"""A short outage costs neither membership nor a transaction."""


@pytest.fixture
def world(pausable_kafka: Broker) -> Iterator[World]:
    with closing(World(pausable_kafka.bootstrap)) as made:
        yield made


def test_the_work_waits_and_goes_on_when_the_broker_answers_again(pausable_kafka: Broker, world: World) -> None:
    with world.member("one", **PATIENT) as one:
        eventually(lambda: one.health().ok and len(one.owns()) == PARTITIONS)
        world.somebody_stalls()
        pausable_kafka.pause()
        eventually(lambda: not one.health().ok, meaning="it says that it waits")
        assert str(one.health().detail).startswith("waiting for the broker")
        pausable_kafka.resume()
        world.all_are_asked()
        world.somebody_stalls()
        world.all_are_asked()
    world.nobody_was_asked_twice()


def test_told_to_stop_while_the_broker_is_silent_it_ends_and_a_restart_goes_on(
    pausable_kafka: Broker, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    with world.process("one", "produced", "SIGSTOP", **PATIENT) as first:
        world.somebody_stalls()
        first.is_stopped()
        pausable_kafka.pause()
        first.wakes_up()
        assert first.ends(signal.SIGTERM, 30) == 0, "in the middle of a transaction, in the time orchestrators grant"
    assert "stopped_without_an_answer" in capfd.readouterr().out
    pausable_kafka.resume()
    with world.process("one", **PATIENT) as second:
        world.all_are_asked()
        world.somebody_stalls()
        pausable_kafka.pause()
        assert second.ends(signal.SIGTERM) == 0, "without having noticed that nobody answers"
        pausable_kafka.resume()
    with world.process("one", **PATIENT) as third:
        world.all_are_asked()
        assert third.ends(signal.SIGTERM) == 0
    world.nobody_was_asked_twice()


def test_a_broker_that_is_killed_and_comes_back_loses_and_doubles_nothing(own_kafka: Broker) -> None:
    with closing(World(own_kafka.bootstrap)) as world, KeptUp(world, "one", **PATIENT) as one:
        world.somebody_stalls()
        one.does(world.all_are_asked_now, meaning="all are asked for")
        for _ in range(2):
            world.somebody_stalls()
            own_kafka.kill()
            own_kafka.start()
            world.somebody_stalls()
            one.does(world.all_are_asked_now, meaning="it goes on")
        one.ends()
        world.nobody_was_asked_twice()
