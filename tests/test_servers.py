"""Servers are found before the first test and shared by all processes of a run; without one the run ends at once."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.broker.broker import BrokerFailed, NoBroker
from tests.servers import Kind, LocalServers, RemoteServers

ROOT = Path(__file__).parents[1]
STORE = "tests/ledger/test_store.py"


def passes() -> None: ...


def test_one_is_started_once_for_everybody_and_stopped_at_the_end() -> None:
    events = []

    @contextmanager
    def run() -> Iterator[str]:
        events.append("started")
        yield "here:9092"
        events.append("stopped")

    servers = LocalServers({"kafka": Kind("a broker", passes, run)})
    elsewhere = RemoteServers(*servers.listen())
    elsewhere.need({"kafka"})
    servers.need({"kafka"})
    answers: list[str] = []
    askers = [threading.Thread(target=lambda: answers.append(elsewhere.address("kafka"))) for _ in range(3)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert (answers, servers.address("kafka"), servers.missing) == (["here:9092"] * 3, "here:9092", "")
    servers.close()
    assert events == ["started", "stopped"]


def test_one_that_does_not_start_fails_for_everybody_and_is_not_tried_again() -> None:
    attempts = []

    @contextmanager
    def run() -> Iterator[str]:
        attempts.append("one")
        raise BrokerFailed("it said: out of memory")
        yield

    servers = LocalServers({"kafka": Kind("a broker", passes, run)})
    servers.need({"kafka"})
    for asked in (servers, RemoteServers(*servers.listen())):
        with pytest.raises(BrokerFailed, match="out of memory"):
            asked.address("kafka")
    servers.close()
    assert attempts == ["one"]


def test_one_that_was_not_announced_is_not_had() -> None:
    servers = LocalServers()
    for asked in (servers, RemoteServers(*servers.listen())):
        with pytest.raises(LookupError, match="a test that asks for kafka lacks the marker"):
            asked.address("kafka")
    servers.close()


def test_where_one_cannot_be_had_none_is_started() -> None:
    def misses() -> None:
        raise NoBroker("start Docker")

    def run() -> Iterator[str]:
        raise AssertionError("started")

    registry = Kind("a registry", passes, contextmanager(run))
    servers = LocalServers({"kafka": Kind("a broker", misses, None), "registry": registry})
    RemoteServers(*servers.listen()).need({"kafka", "registry"})
    servers.close()
    assert servers.missing == "The chosen tests need a broker: start Docker"


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_that_needs_what_cannot_be_had_ends_before_its_first_test(workers: str) -> None:
    done = _run_without_postgresql(STORE, "--numprocesses", workers)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr.strip() == (
        "ERROR: The chosen tests need PostgreSQL: start the one that LAPSE_TEST_POSTGRES names (OperationalError), "
        "or unset that variable"
    )
    assert "passed" not in done.stdout
    assert "failed" not in done.stdout


@pytest.mark.slow
def test_a_run_that_does_not_need_it_is_not_bothered() -> None:
    done = _run_without_postgresql(STORE, "-m", "not postgres")
    assert done.returncode == 0, done.stdout


def _run_without_postgresql(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environ = clean | {"LAPSE_TEST_POSTGRES": "postgresql+psycopg://nobody@127.0.0.1:9/none"}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False)
