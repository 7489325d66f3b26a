"""An AtLeastOnceConsumer that runs beside a test, and what it handed over."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry, Counter

from consumer.activity.errors import BadRecord
from consumer.clock import Clock, SystemClock
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.at_least_once_consumer import AtLeastOnceConsumer, RecordHandler, Subscription
from consumer.kafka.clients.publisher import Publisher
from consumer.kafka.dead_letters.publisher import DeadLetterPublisher
from consumer.kafka.dead_letters.rejection_log import RejectionLog
from consumer.kafka.dead_letters.size_limit import SizeLimit
from consumer.records import Received

TIMEOUT_S = 30.0
"""Until a test gives up waiting."""


def decode_text(data: bytes) -> str:
    """A decoder that accepts what begins with a letter."""
    if not data[:1].isalpha():
        raise BadRecord("no_letter", "it does not begin with a letter")
    return data.decode()


class Collector:
    """Keeps what a consumer hands over, and lets a test wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.records: list[Received[str]] = []
        self.positions: dict[int, int] = {}

    def handle(self, batch: Sequence[Received[str]]) -> None:
        with self._changed:
            self.records += batch
            self._changed.notify_all()

    def advance(self, topic: str, positions: Mapping[int, int]) -> None:
        with self._changed:
            self.positions.update(positions)
            self._changed.notify_all()

    def wait_until(self, condition: Callable[["Collector"], bool]) -> None:
        with self._changed:
            done = self._changed.wait_for(lambda: condition(self), TIMEOUT_S)
            assert done, f"only {self.values()} and {self.positions}"

    def wait_for(self, *values: str | None) -> None:
        """Wait until these have been handed over, in any order of partitions."""
        self.wait_until(lambda collector: set(values) <= set(collector.values()))

    def values(self) -> list[str | None]:
        return [received.value for received in self.records]


@dataclass(frozen=True, kw_only=True)
class ConsumerSetup:
    """How the consumers of one test are built."""

    bootstrap: str
    topic: str
    dead_letters: str
    group: str
    instance: str = "one"
    client: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    decode: Callable[[bytes], str] = decode_text
    clock: Clock = field(default_factory=SystemClock)
    rejected: Counter = field(
        default_factory=lambda: Counter("rejected", "-", ["topic", "reason"], registry=CollectorRegistry())
    )

    def but(self, **changes: object) -> "ConsumerSetup":
        return replace(self, **changes)  # type: ignore[arg-type]

    def running(
        self, collector: Collector, handle: Callable[[Sequence[Received[str]]], None] | None = None
    ) -> "RunningConsumer":
        kafka = KafkaSettings(bootstrap_servers=self.bootstrap, client=dict(self.client))
        publisher = Publisher(kafka, self.clock, name="dead letters")
        limit = SizeLimit(AdminClient({"bootstrap.servers": self.bootstrap}), self.dead_letters, self.clock)
        consumer = AtLeastOnceConsumer(
            kafka,
            self.clock,
            Subscription(topic=self.topic, group=self.group, instance=self.instance),
            RecordHandler(
                decode=self.decode, handle=handle or collector.handle, advance=collector.advance, wants_ends=True
            ),
            DeadLetterPublisher(publisher, self.dead_letters, limit, RejectionLog(self.clock), self.rejected),
        )
        return RunningConsumer(consumer, publisher)

    def committed(self, partition: int = 0) -> int:
        """The group's offset, -1001 where it has none."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group, "log_level": 0})
        [found] = consumer.committed([TopicPartition(self.topic, partition)], timeout=TIMEOUT_S)
        consumer.close()
        return found.offset


class RunningConsumer:
    """A consumer in a thread, from entering the context to leaving it."""

    def __init__(self, consumer: AtLeastOnceConsumer[str], publisher: Publisher) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        self._run = self._pool.submit(self._consumer.run, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Stop it, and raise what it raised, unless the test itself has failed."""
        self._stop.set()
        self._pool.shutdown()
        self._publisher.close()
        if error is None:
            self._run.result()

    def failure(self) -> BaseException | None:
        """What it raised by itself, once it has."""
        return self._run.exception(TIMEOUT_S)
