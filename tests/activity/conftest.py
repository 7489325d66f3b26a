"""`registry`: a Schema Registry for one test, once our small one and once a real one, at an address of its own."""

import os
from collections.abc import Iterator, Mapping
from typing import NoReturn

import pytest

from ..broker.broker import NoBroker
from .real_registry import RealRegistry, apicurio
from .registry import SchemaRegistry, SmallRegistry, schema_registry


@pytest.fixture(scope="session")
def real_registry() -> Iterator[RealRegistry]:
    try:
        running = apicurio()
        registry = running.__enter__()
    except NoBroker as reason:
        without_registry(reason)
    yield registry
    running.__exit__(None, None, None)


@pytest.fixture(params=["small", "real"])
def registry(request: pytest.FixtureRequest) -> Iterator[SchemaRegistry]:
    keeps = SmallRegistry() if request.param == "small" else request.getfixturevalue("real_registry")
    with schema_registry(keeps) as running:
        yield running


def without_registry(reason: NoBroker, environ: Mapping[str, str] = os.environ) -> NoReturn:
    """Skips the test, saying why; fails it in CI, where nothing that needs a registry may go unseen."""
    text = f"needs a Schema Registry: {reason}"
    if environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
