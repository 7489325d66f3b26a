"""The sections `kafka`, `topics` and `schema_registry`: where the brokers, the topics and the schemas are."""

from pydantic import Field

from consumer.config.types import Address, Secret, Section


class KafkaSettings(Section):
    bootstrap_servers: str = "localhost:9092"
    """Brokers to begin with, separated by commas."""
    client: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Further librdkafka settings for all clients, such as `security.protocol`. Passwords come by environment:
    `LAPSE_KAFKA__CLIENT__SASL_PASSWORD`."""
    group_prefix: str = "lapse"
    """Consumer groups and transactions are named after it."""
    instance: str | None = None
    """The name of this process among its replicas, the same at every start; the host's name unless set."""


class TopicSettings(Section):
    contacts: str = "contacts"
    """How users can be reached."""
    reminders: str = "reminders"
    """From detect to deliver."""
    delivery_status: str = "delivery-status"
    """What became of each reminder, for everybody else."""
    opt_outs: str = "opt-outs"
    """Who asked not to be written to."""
    dead_letters: str = "dead-letters"
    """Records that could not be read."""
    state: str | None = None
    """`<group_prefix>-state` unless set."""
    create: bool = True
    """Create topics that are missing."""
    replication: int = Field(default=-1, ge=-1)
    """The replication factor of topics that Lapse creates; -1 leaves it to the broker."""


class RegistrySettings(Section):
    url: Address
    """The registry's address."""
    user: str | None = None
    """For basic authentication."""
    password: Secret | None = None
    """Belongs to `user`."""
