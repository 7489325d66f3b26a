"""Describes the input topic as the broker has it now."""

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription  # type: ignore[attr-defined]

from consumer.kafka.changelog.lineage import InputTopic

_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""What a broker without topic ids answers (before Kafka 2.8): nothing but zeros."""


def describe_input(admin: AdminClient, topic: str, timeout_s: float) -> InputTopic:
    """Return the topic's id and partition count. Raises KafkaException."""
    return as_input(topic, admin.describe_topics(TopicCollection([topic]), request_timeout=timeout_s)[topic].result())


def as_input(topic: str, described: TopicDescription) -> InputTopic:
    """Return what the broker's description says of the topic."""
    topic_id = None if str(described.topic_id) == _NO_ID else str(described.topic_id)
    return InputTopic(name=topic, topic_id=topic_id, partitions=len(described.partitions))
