"""Careful starts: dry run, only_users and holdout."""

from collections.abc import Callable

from consumer.clock import DAY
from consumer.deliver.policy.holdout import held_out

from .deliver_diary import Diary

Begin = Callable[..., Diary]


def test_dry_run_sends_nothing(begin: Begin) -> None:
    diary = begin(dry_run=True, caps={DAY: 1}).knows("maria").knows("paul", opt_in=False)
    diary.due("maria").due("paul").works().says("maria suppressed dry_run", "paul suppressed no_opt_in").went_out()
    assert all(record.final for record in diary.topic)
    diary.due("maria", "checkout").works().says("maria suppressed dry_run")  # and does not count against the cap


def test_only_users_limits_the_recipients(begin: Begin) -> None:
    diary = begin(only_users=frozenset({"maria"})).knows("maria").knows("paul", name="Paul", phone="+34 677 777 777")
    diary.due("maria").due("paul").works().says("paul suppressed not_selected", "maria accepted").went_out("Maria")


def test_empty_only_users_is_nobody(begin: Begin) -> None:
    begin(only_users=frozenset()).knows("maria").due("maria").works().says("maria suppressed not_selected").went_out()


def test_holdout_suppresses_every_step(begin: Begin) -> None:
    diary = begin(holdout=0.999999).knows("maria").due("maria").works().says("maria suppressed holdout")
    diary.at("Wed 09:00").due("maria", step=1).works().says("maria suppressed holdout").went_out()


def test_holdout_contains_only_those_who_pass_the_checks(begin: Begin) -> None:
    diary = begin(holdout=0.999999, dry_run=True).knows("maria", opt_in=False)
    diary.due("maria").works().says("maria suppressed no_opt_in")


def test_holdout_share_and_independence_of_processes() -> None:
    key, users = b"k" * 32, [f"user {n}" for n in range(10_000)]
    one = {user for user in users if held_out(user, "checkout", 0.1, key)}
    other = {user for user in users if held_out(user, "account-setup", 0.1, key)}
    assert 900 < len(one) < 1_100
    assert 50 < len(one & other) < 160
    assert one == {user for user in users if held_out(user, "checkout", 0.1, key)}
    assert one != {user for user in users if held_out(user, "checkout", 0.1, b"j" * 32)}
    assert one < {user for user in users if held_out(user, "checkout", 0.2, key)}  # a larger share contains the smaller
    assert not any(held_out(user, "checkout", 0.0, key) for user in users)
