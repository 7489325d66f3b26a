"""What `lapse dead-letters list` and `replay` have in common: which letters are meant, and where they are."""

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
from consumer.kafka.dead_letters.topic_reader import DeadLetter, StillOpen

_BROKER_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which letters are meant: all, unless told. `topic` is that from which they came."""

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
    """As said on the command line. Raises typer.BadParameter."""
    now = SystemClock().now()
    first = None if since is None else time_arguments.parse_since(since, now, "--since")
    end = None if until is None else time_arguments.parse_since(until, now, "--until")
    return DeadLetterFilter(reason=reason, topic=topic, since=first, until=end)


class DeadLetterTopic(NamedTuple):
    """The topic, and what it is read with."""

    topic: str
    admin: AdminClient
    cluster: ClusterMetadata
    consumer: Consumer


@contextmanager
def open_topic(settings: Settings) -> Iterator[DeadLetterTopic]:
    """The dead letters, ready to be read. Raises ConfigError, and Failed where they cannot be."""
    topic = settings.topics.dead_letters
    admin, cluster = kafka_probe.connect(settings.kafka, _BROKER_SECONDS)
    found = cluster.topics.get(topic)
    if found is None or found.error:
        raise CommandFailed(
            f"the topic {topic} is not there: is topics.dead_letters its name? Nothing was ever set aside here"
        )
    consumer = topic_reader.reader(settings.kafka, replay_group(settings))
    try:
        yield DeadLetterTopic(topic, admin, cluster, consumer)
    except StillOpen as problem:
        raise CommandFailed(str(problem)) from None
    finally:
        consumer.close()


def replay_group(settings: Settings) -> str:
    return f"{settings.kafka.group_prefix}-dead-letters-replay"
