"""Real servers for every test that asks for one (README.md says where they come from), and the markers for that.

`kafka`           the address of a broker for all tests; nobody stops it.
`own_kafka`       a broker for a single test, to be stopped, killed and started again.
`pausable_kafka`  one for a single test, to be paused for a while.
`local_kafka`     one for a single test that is a process of this machine, so that its files are at hand;
                  parametrized with `indirect=True` it gets the broker's settings.
`topics`          makes fresh topics on `kafka`: `topics()`, `topics(partitions=1, about="contacts", config={...})`.

`postgresql`      the URL of a database for all tests of this process, for a single test at a time.
`ledger_url`      of an empty database; a test that asks for it runs on SQLite and on PostgreSQL.
`unused_ledger_url`  of a ledger that has its tables, and nothing in them; else the same.
"""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from .broker.broker import Broker
from .broker.find import PAUSABLE, own_broker
from .broker.local import LocalBroker
from .broker.topics import FreshTopics
from .ledger import databases
from .ledger.postgresql import database_of
from .quicker import (
    compile_statements_once,
    keep_files_in_memory,
    mixed,
    read_certificates_once,
    without_collecting_garbage,
)
from .servers import LocalServers, RemoteServers, Servers

# Several tests run at once, so how long an example takes says nothing about the code.
settings.register_profile("lapse", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("lapse"), max_examples=int(os.environ.get("EXAMPLES") or 3000))
settings.load_profile("lapse")

_DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
_SERVERS = pytest.StashKey[Servers]()

_MARKERS = {
    "kafka": "broker",
    "own_kafka": "broker",
    "pausable_kafka": "broker",
    "local_kafka": "broker",
    "postgresql": "postgres",
    "real_registry": "registry",
    "lapse": "slow",  # it starts processes
    "lapse_anew": "slow",
}
"""By fixture, what a test that uses it is marked with. Where it is asked for by `getfixturevalue`, a mark says so."""


def pytest_configure(config: pytest.Config) -> None:
    keep_files_in_memory()
    compile_statements_once()
    read_certificates_once()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So a shell starts what it runs in the background; the processes of the tests would inherit that, and some
        # tests interrupt them.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if where := _worker_input(config).get("servers"):
        config.stash[_SERVERS] = RemoteServers(*where)
        return
    servers = LocalServers()
    config.stash[_SERVERS] = servers
    config.add_cleanup(servers.close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker process of xdist where it finds the servers of this one."""
    node.workerinput["servers"] = _local(node.config).listen()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    with without_collecting_garbage():
        return (yield)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by them
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for marker in {_MARKERS[name] for name in _fixtures(item) & _MARKERS.keys()}:
            item.add_marker(marker)
    if _worker_input(config):
        items[:] = mixed(items)


@pytest.hookimpl(tryfirst=True)  # before a worker tells that it is ready
def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    servers = session.config.stash[_SERVERS]
    servers.need({kind for item in session.items for kind in _kinds(item)})
    if isinstance(servers, LocalServers):
        _fail_if_missing(servers)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    _fail_if_missing(_local(node.config))


def _fail_if_missing(servers: LocalServers) -> None:
    """End the run before its first test, with one line."""
    if servers.missing:
        raise pytest.UsageError(servers.missing)


def _worker_input(config: pytest.Config) -> dict[str, Any]:
    """What xdist's controller told this process; nothing where it is no worker."""
    told: dict[str, Any] = getattr(config, "workerinput", {})
    return told


def _local(config: pytest.Config) -> LocalServers:
    servers = config.stash[_SERVERS]
    assert isinstance(servers, LocalServers)
    return servers


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


def _kinds(item: pytest.Item) -> Iterator[str]:
    """The kinds of servers that a test needs."""
    if "kafka" in _fixtures(item):
        yield "kafka"
    if _fixtures(item) & {"own_kafka", "pausable_kafka"}:
        yield "own_kafka"
    if "local_kafka" in _fixtures(item):
        yield "local_kafka"
    if item.get_closest_marker("postgres"):
        yield "postgresql"
    if item.get_closest_marker("registry"):
        yield "registry"


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Some tests configure the log as a command does; the next one must find it as it was."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    return pytestconfig.stash[_SERVERS]


@pytest.fixture(scope="session")
def kafka(servers: Servers) -> str:
    return servers.address("kafka")


@pytest.fixture
def own_kafka() -> Iterator[Broker]:
    with own_broker() as broker:
        yield broker


@pytest.fixture
def pausable_kafka() -> Iterator[Broker]:
    with own_broker(PAUSABLE) as broker:
        yield broker


@pytest.fixture
def local_kafka(request: pytest.FixtureRequest) -> Iterator[LocalBroker]:
    with own_broker([partial(LocalBroker, more=getattr(request, "param", {}))]) as broker:
        assert isinstance(broker, LocalBroker)
        yield broker


@pytest.fixture
def topics(kafka: str) -> Iterator[FreshTopics]:
    fresh = FreshTopics(kafka)
    yield fresh
    fresh.delete_all()


@pytest.fixture(scope="session")
def postgresql(servers: Servers) -> Iterator[str]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    with database_of(servers.address("postgresql"), worker) as url:
        yield url


@pytest.fixture(params=_DATABASES)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return databases.empty(request.param, tmp_path, request)


@pytest.fixture(params=_DATABASES)
def unused_ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return databases.unused(request.param, tmp_path, request)
