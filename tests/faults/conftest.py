"""A world for each test, on the broker that all tests share."""

from collections.abc import Iterator

import pytest

from tests.faults.world import World


@pytest.fixture
def world(kafka: str) -> Iterator[World]:
    made = World(kafka)
    yield made
    made.close()
