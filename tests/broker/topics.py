"""Topics for a test alone."""

from collections.abc import Mapping
from uuid import uuid4

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]


def fresh_name(about: str = "topic") -> str:
    """A name that nobody has used, for a topic, a group, or whatever a broker tells apart by name."""
    return f"{about}-{uuid4().hex[:10]}"


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
        topic = NewTopic(name, partitions, 1, config=dict(config or {}))
        for future in self._admin.create_topics([topic]).values():
            future.result(30)
        self._made.append(name)
        # What the controller has made, the brokers tell of a moment later.
        while name not in self._admin.list_topics(timeout=30).topics:
            self._admin.poll(0.05)

    def delete_all(self) -> None:
        if self._made:
            for future in self._admin.delete_topics(self._made).values():
                future.result(30)
        self._made.clear()
