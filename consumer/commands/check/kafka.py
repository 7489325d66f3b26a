"""The checks of Kafka: the broker, the input topic and the schema registry."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]

from consumer.activity.errors import RegistryUnavailable
from consumer.commands import kafka_probe
from consumer.commands.check.source_paths import nearest
from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.commands.terminal.output import CheckResult
from consumer.config.errors import ConfigError
from consumer.config.sections.kafka import KafkaSettings, RegistrySettings
from consumer.kafka.clients import partition_offsets
from consumer.wiring.shared import build_registry

Reached = tuple[AdminClient, ClusterMetadata]

_NO_SUCH_SCHEMA = 2**31 - 1


def check_broker(kafka: KafkaSettings, timeout_s: int = 5) -> tuple[CheckResult, Reached | None]:
    """Check that a broker answers; return the connection too if it does."""
    try:
        reached = kafka_probe.connect(kafka, timeout_s)
    except (CommandFailed, ConfigError) as problem:
        return CheckResult(False, "broker", str(problem)), None
    number = len(reached[1].brokers)
    return CheckResult(True, f"broker: {kafka.bootstrap_servers} answers ({number} in the cluster)"), reached


def check_input_topic(reached: Reached, topic: str) -> CheckResult:
    """Check that the input topic exists, and that all its partitions can be read."""
    admin, cluster = reached
    found = cluster.topics.get(topic)
    if found is None or found.error or not found.partitions:
        meant = nearest(topic, [name for name in cluster.topics if name != topic and not name.startswith("_")])
        hint = f"did you mean {meant}?" if meant else "is source.topic right, and has the topic been created?"
        return CheckResult(False, f"input topic {topic}", f"does not exist, or may not be read: {hint}")
    try:
        for future in partition_offsets.request(admin, topic, found.partitions).values():
            future.result(timeout=10)
    except (KafkaException, TimeoutError):
        named = ", ".join(sorted(f"{b.host}:{b.port}" for b in cluster.brokers.values()))
        return CheckResult(
            False,
            f"input topic {topic}",
            f"cannot be read: can this machine connect to the brokers' own addresses, {named} (advertised.listeners),"
            " and do the ACLs allow reading?",
        )
    return CheckResult(True, f"input topic {topic}: {len(found.partitions)} partitions")


def check_registry(section: RegistrySettings) -> CheckResult:
    """Check that the schema registry answers."""
    try:
        build_registry(section).find(_NO_SUCH_SCHEMA)
    except (RegistryUnavailable, ConfigError) as problem:
        return CheckResult(False, "schema registry", str(problem))
    return CheckResult(True, f"schema registry: {', '.join(section.url)} answers")
