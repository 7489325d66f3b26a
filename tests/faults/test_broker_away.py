"""A broker that does not answer for a while: the work waits, says so, and goes on."""

import pytest

from tests.app.service import eventually
from tests.broker.broker import Broker
from tests.faults.world import PARTITIONS, World

PATIENT = {"transaction_timeout_ms": 60_000, "message_timeout_ms": 50_000, "session_timeout_ms": 30_000}
"""A short outage costs neither membership nor a transaction."""


@pytest.fixture
def world(own_kafka: Broker) -> World:
    return World(own_kafka.bootstrap)


def test_the_work_waits_and_goes_on_when_the_broker_answers_again(own_kafka: Broker, world: World) -> None:
    with world.member("one", **PATIENT) as one:
        eventually(lambda: one.health().ok and len(one.owns()) == PARTITIONS)
        world.somebody_stalls()
        own_kafka.pause()
        eventually(lambda: not one.health().ok, meaning="it says that it waits")
        assert str(one.health().detail).startswith("waiting for the broker")
        own_kafka.resume()
        world.all_are_asked()
        world.somebody_stalls()
        world.all_are_asked()
    world.nobody_was_asked_twice()
    world.close()
