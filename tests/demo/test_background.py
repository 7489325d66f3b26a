"""Work beside us ends when we do, and never fails unheard."""

import threading
import time

import pytest

from consumer.demo.background import under_way


def waits(stop: threading.Event) -> str:
    assert stop.wait(10)
    return "done"


def fails(stop: threading.Event) -> None:
    raise ValueError("no luck")


def test_it_runs_until_it_is_told_to_end() -> None:
    with under_way("test", waits) as task:
        assert not task.broke_off
        assert task.end() == "done"
        assert not task.broke_off


def test_it_is_told_to_end_with_the_context() -> None:
    before = threading.active_count()
    with under_way("test", waits):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_what_it_raised_is_raised_where_the_context_ends() -> None:
    with pytest.raises(ValueError, match="no luck"), under_way("test", fails):
        pass


def test_whoever_looks_sees_that_it_broke_off() -> None:
    with under_way("test", lambda stop: "too early") as task:
        deadline = time.monotonic() + 10
        while not task.broke_off:
            assert time.monotonic() < deadline
        assert task.end() == "too early"


def test_it_hides_no_exception_of_ours() -> None:
    with pytest.raises(KeyError), under_way("test", fails):
        raise KeyError("ours")


def test_it_ends_when_we_fail() -> None:
    before = threading.active_count()
    with pytest.raises(KeyError), under_way("test", waits):
        raise KeyError("ours")
    assert threading.active_count() == before
