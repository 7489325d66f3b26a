"""The sections `kafka`, `topics` and `schema_registry`: where the brokers, the topics and the schemas are."""

from pydantic import Field

from consumer.config.types import Address, Secret, Section


class KafkaSettings(Section):
    bootstrap_servers: str = "localhost:9092"
    client: dict[str, str | int | float | bool] = Field(default_factory=dict)
    group_prefix: str = "lapse"
    instance: str | None = None
    """Names this process among its replicas, the same at every start; the host's name unless set."""


class TopicSettings(Section):
    contacts: str = "contacts"
    reminders: str = "reminders"
    delivery_status: str = "delivery-status"
    opt_outs: str = "opt-outs"
    dead_letters: str = "dead-letters"
    state: str | None = None
    """`<group_prefix>-state` unless set."""
    create: bool = True
    replication: int = Field(default=-1, ge=-1)
    """Of topics that Lapse creates; -1 leaves it to the broker."""


class RegistrySettings(Section):
    url: Address
    user: str | None = None
    password: Secret | None = None
