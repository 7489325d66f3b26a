"""A process is stopped, expelled from its group and replaced, and resumes: what it had in hand is never visible."""

import signal
from collections import Counter
from collections.abc import Iterable

from confluent_kafka import Message

from tests.app.service import eventually
from tests.faults.member import FENCED
from tests.faults.world import PARTITIONS, SHORT, World


def test_zombie_between_two_commits_joins_again(world: World) -> None:
    world.users_go_quiet()
    with world.process("one", "committed", "SIGSTOP") as zombie:
        zombie.wait_until_stopped()
        with world.member("two") as two:
            world.users_go_quiet()
            eventually(lambda: len(two.partitions()) == PARTITIONS, meaning="all partitions are taken over")
            zombie.resume()
            world.users_go_quiet()
            eventually(lambda: world.assigned_to("one"), meaning="it has joined again")
            world.wait_until_all_are_reminded()
            world.users_go_quiet()
            world.wait_until_all_are_reminded()
            assert zombie.exit_code(signal.SIGTERM) == 0
    world.assert_reminded_once_each()


def test_zombie_after_its_transaction_timeout_is_fenced(world: World) -> None:
    world.users_go_quiet()
    with world.process("one", "sent", "SIGSTOP", **SHORT) as zombie:
        zombie.wait_until_stopped()
        with world.member("two") as two:
            world.users_go_quiet()
            world.wait_until_all_are_reminded()
            assert len(two.partitions()) == PARTITIONS
            zombie.resume()
            assert zombie.exit_code() == FENCED
    world.assert_reminded_once_each()
    assert_only_the_successors_state_is_visible(world)
    with world.member("two") as two:
        eventually(lambda: len(two.partitions()) == PARTITIONS, meaning="it restores its state")
        assert two.tracked_keys() == len(world.users)
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def test_offsets_of_a_zombie_in_an_open_transaction_are_refused(world: World) -> None:
    world.users_go_quiet()
    with world.process("one", "produced", "SIGSTOP") as zombie:
        zombie.wait_until_stopped()
        with world.member("two") as two:
            world.users_go_quiet()
            eventually(lambda: len(world.assigned_to("two")) == PARTITIONS, meaning="all are assigned to another")
            assert two.partitions() == set()  # it waits for the zombie's transaction to end
            zombie.resume()
            world.wait_until_all_are_reminded()
            assert zombie.exit_code(signal.SIGTERM) == 0
    world.assert_reminded_once_each()
    assert_only_the_successors_state_is_visible(world)


def test_stop_while_waiting_for_a_zombies_open_transaction(world: World) -> None:
    world.users_go_quiet()
    with world.process("one", "sent", "SIGSTOP") as zombie:
        zombie.wait_until_stopped()
        with world.process("two") as two:
            eventually(lambda: len(world.assigned_to("two")) == PARTITIONS, meaning="all are assigned to another")
            assert two.exit_code(signal.SIGTERM) == 0
    with world.member("one"):
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def assert_only_the_successors_state_is_visible(world: World) -> None:
    """The zombie's segments are on the topic; a read_committed reader finds its successor's in their place."""
    committed = world.all_of("state")
    seen = {(record.partition(), record.offset()) for record in committed}
    everything = world.all_of("state", "read_uncommitted")
    zombies = deltas(record for record in everything if (record.partition(), record.offset()) not in seen)
    assert zombies
    assert zombies.keys() <= deltas(committed).keys(), "its successor has written the same segments"
    assert set(deltas(committed).values()) == {1}, "each of them once"


def deltas(records: Iterable[Message]) -> Counter[tuple[int | None, bytes]]:
    """Count the deltas by partition and key."""
    added = [r for r in records if (r.key() or b"").startswith(b"d/") and r.value() is not None]
    return Counter((record.partition(), record.key() or b"") for record in added)
