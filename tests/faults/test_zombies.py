"""A process is stopped, taken for dead and replaced, and wakes up: what it had in hand is never seen."""

import signal
from collections import Counter
from collections.abc import Iterable

from confluent_kafka import Message

from tests.app.service import eventually
from tests.faults.member import FENCED
from tests.faults.world import PARTITIONS, SHORT, World


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
    with world.process("one", "sent", "SIGSTOP", **SHORT) as zombie:
        zombie.is_stopped()
        with world.member("two") as two:
            world.somebody_stalls()
            world.all_are_asked()
            assert len(two.owns()) == PARTITIONS
            zombie.wakes_up()
            assert zombie.ends() == FENCED
    world.nobody_was_asked_twice()
    only_the_successors_state_is_seen(world)
    with world.member("two") as two:
        eventually(lambda: len(two.owns()) == PARTITIONS, meaning="it restores what it left")
        assert two.keys() == len(world.everybody)
        world.somebody_stalls()
        world.all_are_asked()
    world.nobody_was_asked_twice()


def test_it_wakes_up_in_an_open_transaction_and_its_offsets_are_refused(world: World) -> None:
    world.somebody_stalls()
    with world.process("one", "produced", "SIGSTOP") as zombie:
        zombie.is_stopped()
        with world.member("two") as two:
            world.somebody_stalls()
            eventually(lambda: len(world.belongs_to("two")) == PARTITIONS, meaning="the group gives all to another")
            assert two.owns() == set()  # who waits for what the zombie wrote to be decided
            zombie.wakes_up()
            world.all_are_asked()
            assert zombie.ends(signal.SIGTERM) == 0
    world.nobody_was_asked_twice()
    only_the_successors_state_is_seen(world)


def test_told_to_stop_while_it_waits_for_what_a_zombie_began_its_successor_ends(world: World) -> None:
    world.somebody_stalls()
    with world.process("one", "sent", "SIGSTOP") as zombie:
        zombie.is_stopped()
        with world.process("two") as two:
            eventually(lambda: len(world.belongs_to("two")) == PARTITIONS, meaning="the group gives all to another")
            assert two.ends(signal.SIGTERM) == 0
    with world.member("one"):
        world.all_are_asked()
    world.nobody_was_asked_twice()


def only_the_successors_state_is_seen(world: World) -> None:
    """What the zombie wrote lies on the topic; who reads what is committed finds its successor's in its place."""
    committed = world.all_of("state")
    seen = {(record.partition(), record.offset()) for record in committed}
    everything = world.all_of("state", "read_uncommitted")
    zombies = deltas(record for record in everything if (record.partition(), record.offset()) not in seen)
    assert zombies
    assert zombies.keys() <= deltas(committed).keys(), "its successor has written the same ones"
    assert set(deltas(committed).values()) == {1}, "and nobody sees two of them"


def deltas(records: Iterable[Message]) -> Counter[tuple[int | None, bytes]]:
    """What commits have added, by partition and key: how often."""
    added = [r for r in records if (r.key() or b"").startswith(b"d/") and r.value() is not None]
    return Counter((record.partition(), record.key() or b"") for record in added)
