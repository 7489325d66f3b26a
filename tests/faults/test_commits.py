"""Commits that are aborted or hang: nothing is lost or doubled."""

import threading
from typing import Any

import pytest

from consumer.clock import SECOND
from consumer.kafka.detect_loop import loop
from tests.app.service import eventually
from tests.faults.test_clock import SetClock
from tests.faults.world import BOTH_FETCHES, PARTITIONS, World


def test_aborted_commit_is_repeated_until_it_succeeds(world: World) -> None:
    with world.member("one") as one:
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        world.delete_dead_letters_topic()
        world.users_go_quiet()
        eventually(lambda: one.aborted_commits() >= 2, meaning="aborted twice")
        waits = "waiting for the broker, to take a commit"
        eventually(lambda: one.health().detail == waits, meaning="health reports it, between two tries")
        assert not one.health().ok
        world.users_go_quiet()
        world.create_dead_letters_topic()
        world.wait_until_all_are_reminded()
        eventually(lambda: one.health().ok, meaning="all is well again")
    world.assert_reminded_once_each()
    assert world.dead_letters() == [b"these bytes mean nothing"]


def test_nothing_hurries_while_an_aborted_commit_waits_to_be_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither lapses that wait for a turn nor many reminders: polls and commits would else follow without a pause."""
    with world.member("one") as one:
        world.delete_dead_letters_topic()
        eventually(lambda: one.aborted_commits() >= 1, meaning="aborted")
        checkpoint, commit, due = one.loop._checkpoint, one.loop._checkpoint.commit, list[bool]()

        def observed(*given: Any) -> None:
            due.append(checkpoint.due)
            commit(*given)

        with monkeypatch.context() as patched:
            patched.setattr(checkpoint, "commit", observed)
            patched.setattr(loop, "_MAX_UNCOMMITTED_REMINDERS", 0)
            one.loop._lapses_wait = True
            eventually(lambda: not one.loop._lapses_wait and len(due) >= 2, meaning="tried twice more")
        assert all(due)
        world.create_dead_letters_topic()
        eventually(lambda: one.health().ok, meaning="all is well again")


def test_health_tells_whom_a_call_waits_for_that_does_not_return(world: World) -> None:
    clock, called, answered = SetClock(), threading.Event(), threading.Event()

    def hang() -> None:
        called.set()
        answered.wait()

    with world.member_with_clock(clock, "one") as one:
        eventually(lambda: one.health().ok and len(one.partitions()) == PARTITIONS)
        one.before_offsets(hang)
        try:
            world.users_go_quiet()
            eventually(called.is_set, meaning="a commit is under way")
            clock.pass_by(6 * SECOND)
            assert not one.health().ok
            assert one.health().detail == "waiting for the broker, to answer a transaction"
        finally:
            answered.set()
        world.wait_until_all_are_reminded()
        eventually(lambda: one.health().ok, meaning="all is well again")
    world.assert_reminded_once_each()


@BOTH_FETCHES
def test_partitions_revoked_after_an_abort_are_processed_by_their_new_owner(world: World) -> None:
    with world.member("one") as one:
        world.users_go_quiet()
        world.delete_dead_letters_topic()
        eventually(lambda: one.aborted_commits() >= 1, meaning="aborted")
        with world.member("two"):
            world.users_go_quiet()
            eventually(lambda: world.assigned_to("two"), meaning="the other is assigned some")
            world.create_dead_letters_topic()
            world.wait_until_all_are_reminded()
            world.users_go_quiet()
            world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()
    assert world.dead_letters() == [b"these bytes mean nothing"]
