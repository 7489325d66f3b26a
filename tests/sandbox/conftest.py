"""A running sandbox, a client of it, and a webhook for each story."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from consumer.sandbox.app import Setup
from consumer.sandbox.faults.fates import Habits
from consumer.sandbox.server import Sandbox, running

from .client import Client
from .receiver import Receiver, receiving

QUICK = Habits(delays=(20, 200), read=1.0)


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Starts a sandbox with the settings of `Setup`, quick in its reports, and gives a client of it."""
    with ExitStack() as stack:

        def begin(**options: object) -> Client:
            setup = Setup(**({"habits": QUICK} | options))  # type: ignore[arg-type]
            client = Client(stack.enter_context(running(setup)))
            stack.callback(client.http.close)
            return client

        yield begin


@pytest.fixture(scope="module")
def shared() -> Iterator[Client]:
    """One sandbox for the stories of a module that leave no traces for each other."""
    with running(Setup(habits=QUICK)) as sandbox:
        client = Client(sandbox)
        yield client
        client.http.close()


@pytest.fixture
def client(start: Callable[..., Client]) -> Client:
    return start()


@pytest.fixture
def sandbox(client: Client) -> Sandbox:
    return client.sandbox


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver
