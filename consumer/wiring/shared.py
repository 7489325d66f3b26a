"""What both roles share: settings, clock, health, metrics, codec and the broker's admin client."""

import socket
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient
from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.registry import CollectorRegistry

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import Clock, SystemClock
from consumer.config.loader import read_secret
from consumer.config.settings import Settings
from consumer.config.types import Secret
from consumer.kafka.clients.client_settings import client_settings
from consumer.web.health import Health

if TYPE_CHECKING:
    from consumer.activity.schemas.registry import RegistryClient


class Shared:
    """One of each for the process."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        """`clock` is this machine's unless given."""
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.health = Health(self.clock.monotonic)
        self.metrics = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.metrics)
        self.instance = settings.kafka.instance or socket.gethostname()
        self.registry = _registry(settings)
        self.writers = WriterSchemas(self.clock, self.registry)
        self.codec = RecordCodec(self.writers, self.registry)
        self.admin = AdminClient(client_settings(settings.kafka, {}))


def plain(secret: Secret, key: str) -> str:
    """Return a secret's text. Raises ConfigError."""
    return read_secret(secret, key).get_secret_value()


def _registry(settings: Settings) -> "RegistryClient | None":
    section = settings.schema_registry
    if section is None:
        return None
    from consumer.activity.schemas.registry import RegistryClient

    password = plain(section.password, "schema_registry.password") if section.password else None
    if password is not None:
        from consumer.onemsg.http.transport import proxy_for

        proxy_for(section.url)  # refuses one that would read the password
    return RegistryClient(section.url, user=section.user, password=password)
