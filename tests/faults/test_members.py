"""Members of one group join, leave and die; every lapse leads to exactly one reminder."""

import signal
from contextlib import ExitStack
from functools import partial

from consumer.kafka.clients.transactional_producer import Fenced
from tests.app.service import eventually
from tests.faults.world import BOTH_FETCHES, PARTITIONS, SHORT, World


def test_members_join_and_leave(world: World) -> None:
    with world.member("one") as one:
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        world.users_go_quiet()
        with world.member("two") as two:
            eventually(
                lambda: one.partitions() and two.partitions() and len(one.partitions() | two.partitions()) == PARTITIONS
            )
            world.users_go_quiet()
            world.wait_until_all_are_reminded()
            world.users_go_quiet()
        world.wait_until_all_are_reminded()
        assert len(one.partitions()) == PARTITIONS
    world.assert_reminded_once_each()


@BOTH_FETCHES
def test_many_rebalances_in_a_row(world: World) -> None:
    with world.member("one"):
        for _ in range(2):
            with ExitStack() as others:
                for name in ("two", "three", "four"):  # each joins while the rebalance for the last one goes on
                    others.enter_context(world.member(name))
                    world.users_go_quiet(4)
                    eventually(partial(world.assigned_to, name), meaning=f"{name} is assigned partitions")
                world.users_go_quiet(4)
                world.wait_until_all_are_reminded()
            world.users_go_quiet(4)
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


@BOTH_FETCHES
def test_who_was_reminded_before_a_restart_is_known_after_it(world: World) -> None:
    """Each process hashes users in its own way: what it restores, and what it hears."""
    with world.member("one"):
        users = world.users_go_quiet()
        world.wait_until_all_are_reminded()
    with world.member("one"):
        for user in users:
            world.platform.says(user, "COMPLETED", "checkout")
        world.platform.flush()
        eventually(
            lambda: sorted(world.reminders.of("COMPLETED")) == sorted(users), meaning="each is told as completed"
        )


def test_restart_after_a_kill_at_each_step_of_a_commit(world: World) -> None:
    for moment in ("begun", "produced", "sent", "committed"):
        world.users_go_quiet()
        with world.process("one", moment, "SIGKILL") as unlucky:
            unlucky.wait_until_killed()
    world.users_go_quiet()
    with world.process("one") as lucky:
        world.wait_until_all_are_reminded()
        assert lucky.exit_code(signal.SIGTERM) == 0
    world.assert_reminded_once_each()


def test_partitions_of_a_killed_member_are_taken_over(world: World) -> None:
    with world.member("one") as one, world.process("two", "sent", "SIGKILL", **SHORT) as two:
        eventually(lambda: one.partitions() and world.assigned_to("two"), meaning="both have partitions")
        world.users_go_quiet()
        two.wait_until_killed()
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        assert len(one.partitions()) == PARTITIONS
    world.assert_reminded_once_each()


def test_second_process_of_one_instance_fences_the_first(world: World) -> None:
    with world.member("one") as first:
        eventually(lambda: len(first.partitions()) == PARTITIONS)
        with world.member("one") as second:
            assert "kafka.instance" in first.failure(Fenced)
            world.users_go_quiet()
            world.wait_until_all_are_reminded()
            assert len(second.partitions()) == PARTITIONS
    world.assert_reminded_once_each()
