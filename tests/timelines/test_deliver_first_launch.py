"""A careful beginning: nothing really sent, only to a few, or not to some, to see what it does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consumer.clock import DAY
from consumer.deliver.policy.holdout import held_out

from .deliver_diary import Diary

Begin = Callable[..., Diary]


@pytest.fixture
def begin(ledger_url: str, tmp_path: Path) -> Iterator[Begin]:
    begun: list[Diary] = []

    def so(**known: Any) -> Diary:
        begun.append(Diary(tmp_path, url=ledger_url, **known))
        return begun[-1]

    yield so
    for diary in begun:
        diary.close()


def test_a_dry_run_decides_everything_and_sends_nothing(begin: Begin) -> None:
    diary = begin(dry_run=True, caps={DAY: 1}).knows("maria").knows("paul", opt_in=False)
    diary.due("maria").due("paul").works().says("maria suppressed dry_run", "paul suppressed no_opt_in").went_out()
    assert all(told.final for told in diary.topic)
    diary.due("maria", "checkout").works().says("maria suppressed dry_run")  # and uses up no cap


def test_a_first_launch_writes_to_the_chosen_and_to_nobody_else(begin: Begin) -> None:
    diary = begin(only_users=frozenset({"maria"})).knows("maria").knows("paul", name="Paul", phone="+34 677 777 777")
    diary.due("maria").due("paul").works().says("paul suppressed not_selected", "maria accepted").went_out("Maria")


def test_an_empty_choice_is_nobody(begin: Begin) -> None:
    begin(only_users=frozenset()).knows("maria").due("maria").works().says("maria suppressed not_selected").went_out()


def test_whoever_is_held_out_gets_no_step_of_the_ladder_and_everybody_hears_of_it(begin: Begin) -> None:
    diary = begin(holdout=0.999999).knows("maria").due("maria").works().says("maria suppressed holdout")
    diary.at("Wed 09:00").due("maria", step=1).works().says("maria suppressed holdout").went_out()


def test_who_would_not_have_been_written_to_is_not_part_of_the_comparison(begin: Begin) -> None:
    diary = begin(holdout=0.999999, dry_run=True).knows("maria", opt_in=False)
    diary.due("maria").works().says("maria suppressed no_opt_in")


def test_about_the_wanted_share_is_held_out_and_differently_in_each_process() -> None:
    key, users = b"k" * 32, [f"user {n}" for n in range(10_000)]
    one = {user for user in users if held_out(user, "checkout", 0.1, key)}
    other = {user for user in users if held_out(user, "account-setup", 0.1, key)}
    assert 900 < len(one) < 1_100
    assert 50 < len(one & other) < 160
    assert one == {user for user in users if held_out(user, "checkout", 0.1, key)}
    assert one != {user for user in users if held_out(user, "checkout", 0.1, b"j" * 32)}
    assert one < {user for user in users if held_out(user, "checkout", 0.2, key)}  # a larger share keeps the first
    assert not any(held_out(user, "checkout", 0.0, key) for user in users)
