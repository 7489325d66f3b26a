"""What `lapse dead-letters list` and `replay` share: the filter for letters, and reading their topic."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]

from consumer.clock import Millis, SystemClock
from consumer.commands import kafka_probe
from consumer.commands.terminal import time_arguments
from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.config.settings import Settings
from consumer.kafka.dead_letters import topic_reader
from consumer.kafka.dead_letters.topic_reader import DeadLetter, ReplayNote, StillOpen

_BROKER_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which letters are meant; None means any. `topic` is the one they came from; `until` is exclusive."""

    reason: str | None = None
    topic: str | None = None
    since: Millis | None = None
    until: Millis | None = None

    def matches(self, letter: DeadLetter) -> bool:
        return (
            self.reason in (None, letter.reason)
            and (self.topic is None or (letter.origin is not None and letter.origin.topic == self.topic))
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at < self.until)
        )


def parse_filter(*, reason: str | None, topic: str | None, since: str | None, until: str | None) -> DeadLetterFilter:
    """Return the filter that the command line describes. Raises typer.BadParameter."""
    now = SystemClock().now()
    first = None if since is None else time_arguments.parse_since(since, now, "--since")
    end = None if until is None else time_arguments.parse_since(until, now, "--until")
    return DeadLetterFilter(reason=reason, topic=topic, since=first, until=end)


class DeadLetterTopic(NamedTuple):
    """The topic's name, and the clients to read it with."""

    topic: str
    admin: AdminClient
    cluster: ClusterMetadata
    consumer: Consumer

    def records(self) -> Iterator[DeadLetter | ReplayNote]:
        """Yield what is on the topic up to its present end. Raises StillOpen; KafkaException."""
        ranges = topic_reader.offset_ranges(self.admin, self.topic)
        return map(topic_reader.parse, topic_reader.read(self.consumer, self.topic, ranges))


@contextmanager
def open_topic(settings: Settings) -> Iterator[DeadLetterTopic]:
    """Open the dead-letters topic for reading. Raises ConfigError, and CommandFailed if it cannot be read."""
    topic = settings.topics.dead_letters
    admin, cluster = kafka_probe.connect(settings.kafka, _BROKER_TIMEOUT_S)
    found = cluster.topics.get(topic)
    if found is None or found.error:
        raise CommandFailed(
            f"the topic {topic} does not exist: is topics.dead_letters right? If it is, there are no dead letters yet"
        )
    consumer = topic_reader.make_consumer(settings.kafka, replay_group(settings))
    try:
        yield DeadLetterTopic(topic, admin, cluster, consumer)
    except StillOpen as problem:
        raise CommandFailed(str(problem)) from None
    finally:
        consumer.close()


def replay_group(settings: Settings) -> str:
    return f"{settings.kafka.group_prefix}-dead-letters-replay"
