"""A real Kafka for every test that asks for one (see `broker/find.py` for where it comes from), and a real PostgreSQL.

`kafka`      the address of one for all tests; nobody stops it.
`own_kafka`  one for a single test, to be stopped, killed and started again.
`pausable_kafka`  one for a single test, to be paused for a while.
`topics`     makes fresh topics on `kafka`: `topics()`, `topics(partitions=1, about="contacts", config={...})`.

`postgresql`  the URL of one for all tests, for a single test at a time.
`ledger_url`  of an empty ledger; a test that asks for it runs on SQLite and on PostgreSQL.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from .broker.broker import Broker, NoBroker
from .broker.find import ADDRESS, PAUSABLE, own_broker, running_kafka
from .broker.topics import FreshTopics
from .ledger import databases


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    try:
        found = running_kafka()
        address = found.__enter__()
    except NoBroker as reason:
        without_broker(reason)
    yield address
    found.__exit__(None, None, None)


@pytest.fixture
def own_kafka() -> Iterator[Broker]:
    with _own() as broker:
        yield broker


@pytest.fixture
def pausable_kafka() -> Iterator[Broker]:
    with _own(PAUSABLE) as broker:
        yield broker


def _own(*kinds: Sequence[Callable[[], Broker]]) -> Broker:
    try:
        return own_broker(*kinds)
    except NoBroker as reason:
        without_broker(reason)


@pytest.fixture
def topics(kafka: str) -> Iterator[FreshTopics]:
    fresh = FreshTopics(kafka)
    yield fresh
    fresh.delete_all()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    yield from databases.server()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return databases.empty(request.param, tmp_path, request)


def without_broker(reason: NoBroker, environ: Mapping[str, str] = os.environ) -> NoReturn:
    """Skips the test, saying why; fails it in CI, where nothing that needs a broker may go unseen."""
    text = f"needs a Kafka broker: {reason}; or name one in {ADDRESS}"
    if environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
