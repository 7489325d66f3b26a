"""The sections `kafka` (brokers and client settings), `topics` (their names) and `schema_registry`."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from consumer.config.types import NOT_ENCRYPTED, Address, FilePath, Secret, Section, TopicName, strangers_could_read

Addresses = Annotated[
    tuple[Address, ...],
    Field(min_length=1),
    BeforeValidator(lambda given: tuple(given.split(",")) if isinstance(given, str) else given),
]
"""One address, or several: a list, or joined by commas."""

ClientValue: TypeAlias = str | int | float | bool


_RUNS_CODE = re.compile(r"plugin\..*|ssl\.engine\..*|ssl\.providers|.*kinit\.cmd", re.DOTALL)
"""Settings of librdkafka's that load a library, or run a command."""


def _runs_nothing(client: dict[str, ClientValue]) -> dict[str, ClientValue]:
    if found := next(filter(_RUNS_CODE.fullmatch, client), None):
        raise ValueError(f"remove {found}: it would run what lies in another file, or a command")
    return client


class KafkaSettings(Section):
    bootstrap_servers: str = "localhost:9092"
    """Brokers to connect to first, separated by commas."""
    client: Annotated[dict[str, ClientValue], AfterValidator(_runs_nothing)] = Field(default_factory=dict)
    """More librdkafka settings, for all clients, such as `security.protocol`. Set passwords as environment variables:
    `LAPSE_KAFKA__CLIENT__SASL_PASSWORD`. What would load a library or run a command (`plugin.library.paths`,
    `ssl.engine.…`, `ssl.providers`, `sasl.kerberos.kinit.cmd`) is refused."""
    group_prefix: str = "lapse"
    """The prefix of the names of consumer groups and transactional ids."""
    instance: str | None = None
    """The name of this process among its replicas, the same at every start. Default: the host's name."""


class TopicSettings(Section):
    contacts: TopicName = "contacts"
    """How users can be reached: yours, compacted."""
    reminders: TopicName = "reminders"
    """Reminders, from detect to deliver."""
    delivery_status: TopicName = "delivery-status"
    """What became of each reminder, for your other services."""
    opt_outs: TopicName = "opt-outs"
    """People who opted out."""
    dead_letters: TopicName = "dead-letters"
    """Records that could not be read."""
    state: TopicName | None = None
    """Detect's state. Default: `<group_prefix>-state`."""
    state_key: Secret | None = None
    """A secret for the checksums of the state: without it, nobody can write a state that detect accepts, even if they
    may write to its topic. After a change run `lapse state rebuild`."""
    create: bool = True
    """Create missing topics at the start."""
    replication: int = Field(default=-1, ge=-1)
    """The replication factor of topics that Lapse creates; -1: the broker's default."""


class RegistrySettings(Section):
    url: Addresses
    """The registry's address, or a list of several, which are tried in turn."""
    user: str | None = None
    """The user for basic authentication."""
    password: Secret | None = None
    """The password of `user`."""
    token: Secret | None = None
    """A bearer token, in place of `user` and `password`."""
    ca_file: FilePath | None = None
    """A file with the certificates (PEM) of the authority that signed the registry's own, if it is a private one. A
    relative path counts from the folder of `lapse.yaml`."""

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> "RegistrySettings":
        if self.token and (self.user or self.password):
            raise ValueError("a registry takes a token, or a user and a password: remove one of them")
        return self

    @model_validator(mode="after")
    def _secrets_are_encrypted(self) -> "RegistrySettings":
        if (self.token or self.password) and any(map(strangers_could_read, self.url)):
            raise ValueError(f"url {NOT_ENCRYPTED}")
        return self
