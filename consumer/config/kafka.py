"""The sections `kafka` (brokers and client settings), `topics` (their names) and `schema_registry`."""

from pydantic import Field

from consumer.config.types import Address, Secret, Section


class KafkaSettings(Section):
    bootstrap_servers: str = "localhost:9092"
    """Brokers to connect to first, separated by commas."""
    client: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """More librdkafka settings, for all clients, such as `security.protocol`. Set passwords as environment variables:
    `LAPSE_KAFKA__CLIENT__SASL_PASSWORD`."""
    group_prefix: str = "lapse"
    """The prefix of the names of consumer groups and transactional ids."""
    instance: str | None = None
    """The name of this process among its replicas, the same at every start. Default: the host's name."""


class TopicSettings(Section):
    contacts: str = "contacts"
    """How users can be reached: yours, compacted."""
    reminders: str = "reminders"
    """Reminders, from detect to deliver."""
    delivery_status: str = "delivery-status"
    """What became of each reminder, for your other services."""
    opt_outs: str = "opt-outs"
    """People who opted out."""
    dead_letters: str = "dead-letters"
    """Records that could not be read."""
    state: str | None = None
    """Detect's state. Default: `<group_prefix>-state`."""
    state_key: Secret | None = None
    """A secret for the checksums of the state: without it, nobody can write a state that detect accepts, even if they
    may write to its topic. After a change run `lapse state rebuild`."""
    create: bool = True
    """Create missing topics at the start."""
    replication: int = Field(default=-1, ge=-1)
    """The replication factor of topics that Lapse creates; -1: the broker's default."""


class RegistrySettings(Section):
    url: Address
    """The registry's address."""
    user: str | None = None
    """The user for basic authentication."""
    password: Secret | None = None
    """The password of `user`."""
