"""Members of one group come, go and die; every lapse is asked for exactly once."""

import signal
from contextlib import ExitStack
from functools import partial

from consumer.kafka.clients.transactional_producer import Fenced
from tests.app.service import eventually
from tests.faults.world import PARTITIONS, SHORT, World


def test_members_join_and_leave_and_every_lapse_is_asked_for_once(world: World) -> None:
    with world.member("one") as one:
        world.somebody_stalls()
        world.all_are_asked()
        world.somebody_stalls()
        with world.member("two") as two:
            eventually(lambda: one.owns() and two.owns() and len(one.owns() | two.owns()) == PARTITIONS)
            world.somebody_stalls()
            world.all_are_asked()
            world.somebody_stalls()
        world.all_are_asked()
        assert len(one.owns()) == PARTITIONS
    world.nobody_was_asked_twice()


def test_a_storm_of_rebalances_does_not_stop_the_work(world: World) -> None:
    with world.member("one"):
        for _ in range(2):
            with ExitStack() as others:
                for name in ("two", "three", "four"):  # each is let in while the last one is still being seen to
                    others.enter_context(world.member(name))
                    world.somebody_stalls(4)
                    eventually(partial(world.belongs_to, name), meaning=f"{name} is let in")
                world.somebody_stalls(4)
                world.all_are_asked()
            world.somebody_stalls(4)
        world.all_are_asked()
    world.nobody_was_asked_twice()


def test_killed_at_any_moment_of_a_commit_it_goes_on_when_started_again(world: World) -> None:
    for moment in ("begun", "produced", "sent", "committed"):
        world.somebody_stalls()
        with world.process("one", moment, "SIGKILL") as unlucky:
            unlucky.is_killed()
    world.somebody_stalls()
    with world.process("one") as lucky:
        world.all_are_asked()
        assert lucky.ends(signal.SIGTERM) == 0
    world.nobody_was_asked_twice()


def test_when_a_member_is_killed_the_others_take_its_partitions_over(world: World) -> None:
    with world.member("one") as one, world.process("two", "sent", "SIGKILL", **SHORT) as two:
        eventually(lambda: one.owns() and world.belongs_to("two"), meaning="both have something to do")
        world.somebody_stalls()
        two.is_killed()
        world.somebody_stalls()
        world.all_are_asked()
        assert len(one.owns()) == PARTITIONS
    world.nobody_was_asked_twice()


def test_of_two_processes_with_one_name_the_first_goes_and_says_why(world: World) -> None:
    with world.member("one") as first:
        eventually(lambda: len(first.owns()) == PARTITIONS)
        with world.member("one") as second:
            assert "kafka.instance" in first.broke_with(Fenced)
            world.somebody_stalls()
            world.all_are_asked()
            assert len(second.owns()) == PARTITIONS
    world.nobody_was_asked_twice()
