"""A feed at work beside a test, and what it handed over."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, TopicPartition
from prometheus_client import CollectorRegistry, Counter

from consumer.activity.errors import BadRecord
from consumer.clock import Clock, SystemClock
from consumer.config.settings import KafkaSettings
from consumer.kafka.at_least_once_consumer import AtLeastOnceConsumer
from consumer.kafka.clients.publisher import Publisher
from consumer.records import Received

WAIT = 30.0
"""Seconds until a test gives up waiting."""


def letters(data: bytes) -> str:
    """A decoder that reads what begins with a letter."""
    if not data[:1].isalpha():
        raise BadRecord("no_letter", "it does not begin with a letter")
    return data.decode()


class Handed:
    """Keeps what a feed hands over, and lets a test wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.records: list[Received[str]] = []
        self.ends: dict[int, int] = {}

    def take(self, batch: Sequence[Received[str]]) -> None:
        with self._changed:
            self.records += batch
            self._changed.notify_all()

    def reached(self, topic: str, ends: Mapping[int, int]) -> None:
        with self._changed:
            self.ends.update(ends)
            self._changed.notify_all()

    def wait(self, enough: Callable[["Handed"], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: enough(self), WAIT), f"only {self.values()} and {self.ends}"

    def wait_for(self, *values: str | None) -> None:
        """Until these have been handed over, in any order of partitions."""
        self.wait(lambda handed: set(values) <= set(handed.values()))

    def values(self) -> list[str | None]:
        return [received.value for received in self.records]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How feeds of one test are built."""

    bootstrap: str
    topic: str
    dead_letters: str
    group: str
    instance: str = "one"
    client: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    decode: Callable[[bytes], str] = letters
    clock: Clock = field(default_factory=SystemClock)
    spoiled: Counter = field(
        default_factory=lambda: Counter("spoiled", "-", ["topic", "reason"], registry=CollectorRegistry())
    )

    def but(self, **changes: object) -> "Setup":
        return replace(self, **changes)  # type: ignore[arg-type]

    def running(self, handed: Handed, handle: Callable[[Sequence[Received[str]]], None] | None = None) -> "Running":
        kafka = KafkaSettings(bootstrap_servers=self.bootstrap, client=dict(self.client))
        publisher = Publisher(kafka, self.clock, name="dead letters")
        feed = AtLeastOnceConsumer(
            kafka,
            self.clock,
            topic=self.topic,
            group=self.group,
            instance=self.instance,
            decode=self.decode,
            handle=handle or handed.take,
            reached=handed.reached,
            tells_ends=True,
            publisher=publisher,
            dead_letters=self.dead_letters,
            spoiled=self.spoiled,
        )
        return Running(feed, publisher)

    def committed(self, partition: int = 0) -> int:
        """The group's offset, -1001 where it has none."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group, "log_level": 0})
        [spot] = consumer.committed([TopicPartition(self.topic, partition)], timeout=WAIT)
        consumer.close()
        return spot.offset


class Running:
    """A feed in its thread, from entering the context to leaving it."""

    def __init__(self, feed: AtLeastOnceConsumer[str], publisher: Publisher) -> None:
        self._feed = feed
        self._publisher = publisher
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        self._work = self._pool.submit(self._feed.run, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Stops it; raises what it raised, unless the test has something to say itself."""
        self._stop.set()
        self._pool.shutdown()
        self._publisher.close()
        if error is None:
            self._work.result()

    def broke_with(self) -> BaseException | None:
        """What it raised by itself, once it has."""
        return self._work.exception(WAIT)
