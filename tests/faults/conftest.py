"""A world for each story, on the broker of all tests or on one that may be killed."""

from collections.abc import Iterator

import pytest

from tests.faults.world import World


@pytest.fixture
def world(kafka: str) -> Iterator[World]:
    made = World(kafka)
    yield made
    made.close()
