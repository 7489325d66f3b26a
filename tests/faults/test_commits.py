"""Aborted commits: nothing is lost or doubled."""

from tests.app.service import eventually
from tests.faults.world import BOTH_FETCHES, World


def test_aborted_commit_is_repeated_until_it_succeeds(world: World) -> None:
    with world.member("one") as one:
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        world.delete_dead_letters_topic()
        world.users_go_quiet()
        eventually(lambda: one.aborted_commits() >= 2, meaning="aborted twice")
        assert not one.health().ok
        assert one.health().detail == "waiting for the broker, to take a commit"
        world.users_go_quiet()
        world.create_dead_letters_topic()
        world.wait_until_all_are_reminded()
        eventually(lambda: one.health().ok, meaning="all is well again")
    world.assert_reminded_once_each()
    assert world.dead_letters() == [b"these bytes mean nothing"]


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
