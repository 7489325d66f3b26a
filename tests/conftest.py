"""A real Kafka for every test that asks for one (see `broker/find.py` for where it comes from).

`kafka`      the address of one for all tests; nobody stops it.
`own_kafka`  one for a single test, to be stopped, killed, paused and started again.
`topics`     makes fresh topics on `kafka`: `topics()`, `topics(partitions=1, about="contacts", config={...})`.
"""

import os
from collections.abc import Iterator, Mapping
from typing import NoReturn

import pytest

from .broker.broker import Broker, NoBroker
from .broker.find import ADDRESS, own_broker, running_kafka
from .broker.topics import FreshTopics


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
    try:
        broker = own_broker()
    except NoBroker as reason:
        without_broker(reason)
    with broker:
        yield broker


@pytest.fixture
def topics(kafka: str) -> Iterator[FreshTopics]:
    fresh = FreshTopics(kafka)
    yield fresh
    fresh.delete_all()


def without_broker(reason: NoBroker, environ: Mapping[str, str] = os.environ) -> NoReturn:
    """Skips the test, saying why; fails it in CI, where nothing that needs a broker may go unseen."""
    text = f"needs a Kafka broker: {reason}; or name one in {ADDRESS}"
    if environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
