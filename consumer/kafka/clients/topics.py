"""The topics that Lapse needs: how they should be, how they are, and what to do about a difference."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from consumer.clock import DAY, MINUTE
from consumer.config.sections.kafka import TopicSettings
from consumer.kafka.clients.client_settings import MAX_RECORD_BYTES
from consumer.kafka.clients.error_codes import UNAUTHORIZED, in_words

_REQUEST_TIMEOUT_S = 30.0
_VISIBLE_CHECK_INTERVAL_S = 0.1
_MAX_VISIBLE_CHECKS = 100  # a new topic is known to every broker within ten seconds
_UNLIMITED = "-1"
_MOCK_CLUSTER_ID = "mockCluster"  # librdkafka's mock broker, as in the demo: it does not answer describe_configs
_log = structlog.get_logger()


class TopicsRefused(Exception):
    """Lapse must not start on these topics: one line for each thing that is wrong, with what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredTopic:
    """How a topic is created. If it exists already, only a difference in `vital` keeps Lapse from starting.

    `vital` maps the name of a setting, or "partitions", to what goes wrong without it.
    """

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    vital: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """How a topic is. `config` is None where the broker does not show it to us."""

    partitions: int
    config: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Missing:
    required: RequiredTopic


@dataclass(frozen=True, slots=True)
class Matching:
    required: RequiredTopic


@dataclass(frozen=True, slots=True)
class Different:
    """`refusals` say what must be changed, `advice` what might be better, each in a sentence."""

    required: RequiredTopic
    refusals: tuple[str, ...]
    advice: tuple[str, ...]


Verdict: TypeAlias = Missing | Matching | Different


def required_topics(topics: TopicSettings, state: str, source: str, partitions: int) -> list[RequiredTopic]:
    """Return every topic that Lapse writes, and the contacts. `partitions` is the number that `source` has."""
    same = (
        f"it must have as many as {source} ({partitions}), since what is about a partition goes into the one of the"
        f" same number. If {source} was given more partitions, users have moved: "
    )
    return [
        RequiredTopic(name=topics.contacts, partitions=partitions, config={"cleanup.policy": "compact", **_BATCHES}),
        RequiredTopic(
            name=topics.reminders,
            partitions=partitions,
            config={"cleanup.policy": "delete", "retention.ms": str(7 * DAY), **_BATCHES},
            vital={
                "partitions": same + "add partitions to this one too",
                "cleanup.policy": "of two reminders for a user only the later one would be kept",
                "max.message.bytes": "detect could not write many reminders at once, and would stand still",
            },
        ),
        RequiredTopic(
            name=topics.delivery_status, partitions=partitions, config={"cleanup.policy": "delete", **_BATCHES}
        ),
        RequiredTopic(name=topics.opt_outs, partitions=partitions, config={"cleanup.policy": "compact", **_BATCHES}),
        RequiredTopic(
            name=topics.dead_letters,
            partitions=partitions,
            config={
                "cleanup.policy": "delete",
                "retention.ms": str(30 * DAY),
                "max.message.bytes": str(MAX_RECORD_BYTES),
            },
        ),
        RequiredTopic(
            name=state,
            partitions=partitions,
            config=_STATE,
            vital={
                "partitions": same + "stop every detect process and run `lapse state rebuild`",
                "cleanup.policy": "detect's memory would be forgotten piece by piece",
                "max.message.bytes": "detect could not write the larger pieces of its memory",
            },
        ),
    ]


# Kafka's default. A topic limits batches, not records, and clients fill batches up to a megabyte.
_BATCHES = {"max.message.bytes": "1048588"}
_STATE = {
    "cleanup.policy": "compact",
    # Small segments and a bound on the lag: replaced records are gone soon, and a restore reads few of them.
    "segment.bytes": str(64 * 1024 * 1024),
    "max.compaction.lag.ms": str(10 * MINUTE),
    "min.cleanable.dirty.ratio": "0.2",
    # A tombstone that a restore misses is harmless (ARCHITECTURE.md#the-changelog), and every commit writes some.
    "delete.retention.ms": str(MINUTE),
    **_BATCHES,
}


def compare(topics: Iterable[RequiredTopic], found: Mapping[str, TopicState]) -> list[Verdict]:
    """Return a verdict on each topic, given those that exist by name."""
    return [_verdict(topic, found.get(topic.name)) for topic in topics]


def _verdict(topic: RequiredTopic, found: TopicState | None) -> Verdict:
    if found is None:
        return Missing(topic)
    refusals, advice = [], []
    for setting, text in _differences(topic, found):
        if why := topic.vital.get(setting):
            refusals.append(f"{text}: {why}")
        else:
            advice.append(text)
    return Different(topic, tuple(refusals), tuple(advice)) if refusals or advice else Matching(topic)


def _differences(topic: RequiredTopic, found: TopicState) -> Iterable[tuple[str, str]]:
    """Yield the settings that differ, each with a sentence about it."""
    if found.partitions != topic.partitions and "partitions" in topic.vital:
        yield "partitions", f"the topic {topic.name} has {found.partitions} partitions"
    if found.config is None:
        return
    for setting, value in topic.config.items():
        actual = found.config.get(setting)
        if actual is not None and not _MATCHES[setting](actual, value):
            yield setting, f"the topic {topic.name} has {setting}={actual}, and should have {value}"


def _is_only(found: str, value: str) -> bool:
    return {part.strip() for part in found.split(",")} == {value}


def _at_most(found: str, value: str) -> bool:
    return float(found) <= float(value)


def _at_least(found: str, value: str) -> bool:
    return found == _UNLIMITED or float(found) >= float(value)


_MATCHES: Mapping[str, Callable[[str, str], bool]] = {
    "cleanup.policy": _is_only,
    "retention.ms": _at_least,
    "max.message.bytes": _at_least,
    "segment.bytes": _at_most,
    "max.compaction.lag.ms": _at_most,
    "min.cleanable.dirty.ratio": _at_most,
    "delete.retention.ms": _at_most,
}


def input_partitions(admin: AdminClient, source: str) -> int:
    """Return how many partitions the input topic has. Raises TopicsRefused if it is missing; KafkaException."""
    found = admin.list_topics(timeout=_REQUEST_TIMEOUT_S).topics.get(source)
    if found is None or not found.partitions:
        text = f"the input topic {source} is not there: is source.topic spelt right? We create only topics of our own"
        raise TopicsRefused([text])
    return len(found.partitions)


def inspect(
    admin: AdminClient, names: Iterable[str], *, timeout_s: float = _REQUEST_TIMEOUT_S
) -> dict[str, TopicState]:
    """Return how those of the topics are that exist. Raises KafkaException when the broker does not answer."""
    cluster = admin.list_topics(timeout=timeout_s)
    counts = {name: len(cluster.topics[name].partitions) for name in names if name in cluster.topics}
    if not counts or (cluster.cluster_id or "").startswith(_MOCK_CLUSTER_ID):
        return {name: TopicState(partitions=count, config=None) for name, count in counts.items()}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in counts]
    futures = admin.describe_configs(resources, request_timeout=timeout_s)
    configs: dict[str, Mapping[str, str] | None] = {}
    for resource, future in futures.items():
        try:
            configs[resource.name] = {entry.name: entry.value for entry in future.result().values()}
        except KafkaException as failure:
            if failure.args[0].code() not in UNAUTHORIZED:
                raise
            # Managed clusters may hide their settings. What can be seen is still checked.
            _log.info("topic_settings_hidden", topic=resource.name, error=failure.args[0].name())
            configs[resource.name] = None
    return {name: TopicState(partitions=count, config=configs[name]) for name, count in counts.items()}


def create(admin: AdminClient, topics: Sequence[RequiredTopic], replication: int = -1) -> None:
    """Create them and return when they can be used. `replication` -1 leaves the factor to the broker.

    A topic that exists already is no failure: another process may have been quicker. Raises TopicsRefused.
    """
    if not topics:
        return
    new = [
        NewTopic(topic.name, topic.partitions, replication_factor=replication, config=dict(topic.config))
        for topic in topics
    ]
    problems = []
    futures = admin.create_topics(new, operation_timeout=_REQUEST_TIMEOUT_S, request_timeout=_REQUEST_TIMEOUT_S)
    for name, future in futures.items():
        try:
            future.result()
            _log.info("topic_created", topic=name)
        except KafkaException as failure:
            error = failure.args[0]
            if error.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                problems.append(f"the topic {name} cannot be created: {in_words(error)}")
    if problems:
        raise TopicsRefused(problems)
    _wait_until_visible(admin, {topic.name for topic in topics})


def _wait_until_visible(admin: AdminClient, names: set[str]) -> None:
    for _ in range(_MAX_VISIBLE_CHECKS):
        if names <= admin.list_topics(timeout=_REQUEST_TIMEOUT_S).topics.keys():
            return
        admin.poll(_VISIBLE_CHECK_INTERVAL_S)
    raise TopicsRefused([f"the topics {', '.join(sorted(names))} were created, and are not seen: is the cluster well?"])


def prepare(admin: AdminClient, topics: TopicSettings, state: str, source: str) -> int:
    """Have every topic ready before a role starts: create the missing ones if we may, and check the others.

    Returns the number of partitions of the input. Raises TopicsRefused; KafkaException.
    """
    partitions = input_partitions(admin, source)
    required = required_topics(topics, state, source, partitions)
    verdicts = compare(required, inspect(admin, [topic.name for topic in required]))
    missing = [verdict.required for verdict in verdicts if isinstance(verdict, Missing)]
    if topics.create:
        create(admin, missing, topics.replication)
    problems = [] if topics.create else [_absent(topic) for topic in missing]
    for verdict in verdicts:
        if isinstance(verdict, Different):
            problems += verdict.refusals
            for text in verdict.advice:
                _log.warning("topic_differs", topic=verdict.required.name, advice=text)
    if problems:
        raise TopicsRefused(problems)
    return partitions


def _absent(topic: RequiredTopic) -> str:
    return (
        f"the topic {topic.name} is not there: run `lapse topics --create`, set topics.create, or create it with"
        f" {topic.partitions} partitions" + "".join(f", {key}={value}" for key, value in topic.config.items())
    )
