"""Commits that fail: nothing is lost, nothing doubled, and nobody despairs."""

from tests.app.service import eventually
from tests.faults.world import World


def test_an_aborted_commit_is_written_again_until_it_is_taken(world: World) -> None:
    with world.member("one") as one:
        world.somebody_stalls()
        world.all_are_asked()
        world.takes_no_dead_letters()
        world.somebody_stalls()
        eventually(lambda: one.aborted_commits() >= 2, meaning="aborted, and again")
        assert not one.health().ok
        assert one.health().detail == "waiting for the broker, to take a commit"
        world.somebody_stalls()
        world.takes_dead_letters_again()
        world.all_are_asked()
        eventually(lambda: one.health().ok, meaning="all is well again")
    world.nobody_was_asked_twice()
    assert world.dead_letters() == [b"these bytes mean nothing"]


def test_what_leaves_while_a_commit_is_aborted_is_done_by_its_new_owner(world: World) -> None:
    with world.member("one") as one:
        world.somebody_stalls()
        world.takes_no_dead_letters()
        eventually(lambda: one.aborted_commits() >= 1, meaning="aborted")
        with world.member("two"):
            world.somebody_stalls()
            eventually(lambda: world.belongs_to("two"), meaning="another is given some of them")
            world.takes_dead_letters_again()
            world.all_are_asked()
            world.somebody_stalls()
            world.all_are_asked()
    world.nobody_was_asked_twice()
    assert world.dead_letters() == [b"these bytes mean nothing"]
