"""What both roles share: settings, clock, health, metrics, codec and the broker's admin client."""

import socket
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient
from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.registry import CollectorRegistry

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import Clock, SystemClock
from consumer.config.errors import ConfigError
from consumer.config.loader import read_secret
from consumer.config.sections.kafka import RegistrySettings
from consumer.config.settings import Settings
from consumer.config.types import Secret
from consumer.kafka.clients.client_settings import client_settings
from consumer.metrics import ServiceMetrics
from consumer.spans import SpanRecorder
from consumer.web.health import Health

if TYPE_CHECKING:
    from consumer.activity.schemas.registry import RegistryClient


class Shared:
    """One of each for the process."""

    def __init__(self, settings: Settings, clock: Clock | None = None, record_span: SpanRecorder | None = None) -> None:
        """`clock` is this machine's unless given; without `record_span` nothing is traced."""
        self.settings = settings
        self.record_span = record_span
        self.clock: Clock = clock or SystemClock()
        self.health = Health(self.clock.monotonic)
        self.metrics = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.metrics)
        self.service_metrics = ServiceMetrics(self.metrics)
        self.instance = settings.kafka.instance or socket.gethostname()
        self.registry = build_registry(settings.schema_registry) if settings.schema_registry else None
        self.writers = WriterSchemas(self.clock, self.registry)
        self.codec = RecordCodec(self.writers, self.registry)
        self.admin = AdminClient(client_settings(settings.kafka, {}))


def plain(secret: Secret, key: str) -> str:
    """Return a secret's text. Raises ConfigError."""
    return read_secret(secret, key).get_secret_value()


def build_registry(section: RegistrySettings) -> "RegistryClient":
    """Return a client of the registry. Raises ConfigError, UnsafeProxy."""
    from consumer.activity.schemas.registry import RegistryClient

    password = plain(section.password, "schema_registry.password") if section.password else None
    token = plain(section.token, "schema_registry.token") if section.token else None
    if password or token:
        from consumer.onemsg.http.transport import proxy_for

        for url in section.url:
            proxy_for(url)  # refuses one that would read the secret
    try:
        return RegistryClient(*section.url, user=section.user, password=password, token=token, ca_file=section.ca_file)
    except OSError as problem:  # of a file without certificates, too
        file = section.ca_file
        raise ConfigError(
            [f"schema_registry.ca_file: {file} holds no certificates in PEM form, or cannot be read"]
        ) from problem
