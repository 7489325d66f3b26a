"""A real broker, and a sandbox and a service for each test."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.app.service import Platform, Sandbox, Service, sandbox, settings
from tests.broker.broker import free_ports
from tests.broker.topics import create_topics


@pytest.fixture
def names(kafka: str) -> str:
    """Create the platform's topics, activity with four partitions and contacts, and return their prefix."""
    prefix = f"story-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka})
    theirs = [NewTopic(f"{prefix}-activity", 4, 1), NewTopic(f"{prefix}-contacts", 2, 1)]
    create_topics(admin, theirs)
    return prefix


@pytest.fixture
def channel(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    arguments = getattr(request, "param", ())
    with sandbox(*arguments) as running:
        yield running


@pytest.fixture
def platform(kafka: str, names: str) -> Platform:
    return Platform(kafka, names)


@pytest.fixture
def service(kafka: str, names: str, channel: Sandbox, tmp_path: Path) -> Iterator[Service]:
    [port] = free_ports(1)
    made = Service(tmp_path, settings(kafka, channel, tmp_path, names, port), channel.info["token"])
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
