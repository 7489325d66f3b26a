"""`registry`: a Schema Registry for one test, once our small one and once a real one, at an address of its own."""

from collections.abc import Iterator

import pytest

from ..servers import Servers
from .real_registry import RealRegistry
from .registry import SchemaRegistry, SmallRegistry, schema_registry


@pytest.fixture(scope="session")
def real_registry(servers: Servers) -> RealRegistry:
    return RealRegistry(servers.address("registry"))


@pytest.fixture(params=["small", pytest.param("real", marks=pytest.mark.registry)])
def registry(request: pytest.FixtureRequest) -> Iterator[SchemaRegistry]:
    keeps = SmallRegistry() if request.param == "small" else request.getfixturevalue("real_registry")
    with schema_registry(keeps) as running:
        yield running
