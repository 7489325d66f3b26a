"""A world for each test, on the broker that all tests share."""

from collections.abc import Iterator

import pytest

from tests.app.service import Sandbox, sandbox
from tests.faults.world import World


@pytest.fixture
def world(request: pytest.FixtureRequest, kafka: str) -> Iterator[World]:
    """Return a world whose detect fetches as the test's parameter says (BOTH_FETCHES), or messages."""
    made = World(kafka, getattr(request, "param", "messages"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def channel() -> Iterator[Sandbox]:
    """Run one stand-in for 1MSG for a whole file of tests."""
    with sandbox() as running:
        yield running
