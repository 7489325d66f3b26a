"""Describes the input topic as the broker has it now."""

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription  # type: ignore[attr-defined]

from consumer.kafka.changelog.lineage import InputTopic

_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""What a broker without topic ids answers (before Kafka 2.8): nothing but zeros."""


class InputDescriber:
    """Asks the broker for the input's id and partition count."""

    def __init__(self, admin: AdminClient, topic: str) -> None:
        self._admin = admin
        self._topic = topic
        self._has_controller: bool | None = None

    def describe(self, timeout_s: float) -> InputTopic:
        """Return what the broker tells of the topic. Raises KafkaException."""
        if self._has_controller is None:
            cluster = self._admin.list_topics(timeout=timeout_s)
            self._has_controller = cluster.controller_id in cluster.brokers
        if not self._has_controller:
            return self._count(timeout_s)
        topics = TopicCollection([self._topic])
        return as_input(
            self._topic, self._admin.describe_topics(topics, request_timeout=timeout_s)[self._topic].result()
        )

    def _count(self, timeout_s: float) -> InputTopic:
        """Return what the demonstration's embedded broker tells, which has no controller to ask and no ids.

        All topics are listed, since asking for one by its name might create it.
        """
        topics = self._admin.list_topics(timeout=timeout_s).topics
        if self._topic not in topics:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        return InputTopic(name=self._topic, topic_id=None, partitions=len(topics[self._topic].partitions))


def as_input(topic: str, described: TopicDescription) -> InputTopic:
    """Return what the broker's description says of the topic."""
    topic_id = None if str(described.topic_id) == _NO_ID else str(described.topic_id)
    return InputTopic(name=topic, topic_id=topic_id, partitions=len(described.partitions))
