"""Topics for a test alone."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from consumer.kafka.clients.retries import retry_while

_FENCED = frozenset({KafkaError.INVALID_REPLICATION_FACTOR})
"""What the controller answers while it has fenced the only broker, which on a busy machine has missed heartbeats."""


def fresh_name(about: str = "topic") -> str:
    """A name that nobody has used, for a topic, a group, or whatever a broker tells apart by name."""
    return f"{about}-{uuid4().hex[:10]}"


def create_topics(admin: AdminClient, topics: Sequence[NewTopic]) -> None:
    """Make these topics; wait for half a minute where the only broker is fenced. Raises KafkaException."""

    def create() -> None:
        for future in admin.create_topics(list(topics)).values():
            future.result(30)

    retry_while(_FENCED, create, lambda: admin.poll(0.3))


class FreshTopics:
    """Makes topics, and takes them away again."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._made: list[str] = []

    def __call__(self, partitions: int = 4, *, about: str = "topic", config: Mapping[str, str] | None = None) -> str:
        """The name of a new, empty topic, with `config` as its settings."""
        name = fresh_name(about)
        self.create(name, partitions, config=config)
        return name

    def create(self, name: str, partitions: int = 4, *, config: Mapping[str, str] | None = None) -> None:
        """A topic of a given name. Raises KafkaException where there is one already."""
        create_topics(self._admin, [NewTopic(name, partitions, 1, config=dict(config or {}))])
        self._made.append(name)
        # What the controller has made, the brokers tell of a moment later.
        while name not in self._admin.list_topics(timeout=30).topics:
            self._admin.poll(0.05)

    def delete_all(self) -> None:
        if self._made:
            for future in self._admin.delete_topics(self._made).values():
                future.result(30)
        self._made.clear()
