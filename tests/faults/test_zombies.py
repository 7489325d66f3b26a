"""A process is stopped, taken for dead and replaced, and wakes up: what it had in hand is never seen."""

import signal

from tests.app.service import eventually
from tests.faults.member import FENCED
from tests.faults.world import PARTITIONS, World


def test_it_wakes_up_between_two_commits_and_joins_again(world: World) -> None:
    world.somebody_stalls()
    with world.process("one", "committed", "SIGSTOP") as sleeper:
        sleeper.is_stopped()
        with world.member("two") as two:
            world.somebody_stalls()
            eventually(lambda: len(two.owns()) == PARTITIONS, meaning="all is taken over")
            sleeper.wakes_up()
            world.somebody_stalls()
            eventually(lambda: world.belongs_to("one"), meaning="it has joined again")
            world.all_are_asked()
            world.somebody_stalls()
            world.all_are_asked()
            assert sleeper.ends(signal.SIGTERM) == 0
    world.nobody_was_asked_twice()


def test_it_slept_through_its_transactions_time_and_has_to_go(world: World) -> None:
    world.somebody_stalls()
    with world.process("one", "sent", "SIGSTOP") as zombie:
        zombie.is_stopped()
        with world.member("two") as two:
            world.somebody_stalls()
            world.all_are_asked()
            assert len(two.owns()) == PARTITIONS
            zombie.wakes_up()
            assert zombie.ends() == FENCED
    world.nobody_was_asked_twice()
    with world.member("two"):  # restores what it left, and nothing of the zombie's
        world.somebody_stalls()
        world.all_are_asked()
    world.nobody_was_asked_twice()


def test_it_wakes_up_in_an_open_transaction_and_its_offsets_are_refused(world: World) -> None:
    world.somebody_stalls()
    with world.process("one", "produced", "SIGSTOP", transaction_timeout_ms=60_000) as zombie:
        zombie.is_stopped()
        with world.member("two") as two:
            world.somebody_stalls()
            eventually(lambda: len(world.belongs_to("two")) == PARTITIONS, meaning="the group gives all to another")
            assert two.owns() == set()  # who waits for what the zombie wrote to be decided
            zombie.wakes_up()
            world.all_are_asked()
            assert zombie.ends(signal.SIGTERM) == 0
    world.nobody_was_asked_twice()
