"""The detect role, built from settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import Consumer, Producer

from consumer.activity.avro import AvroReader
from consumer.activity.avsc import UnusableSchema, WriterSchema, read_schemas
from consumer.activity.decode import ActivityDecoder
from consumer.activity.fields import fields_of
from consumer.activity.json_values import JsonReader
from consumer.activity.meanings import meanings_of
from consumer.assembly.shared import Shared
from consumer.clock import SECOND
from consumer.config import Kafka, Settings, millis
from consumer.config_errors import ConfigError
from consumer.detect.rules import Rules
from consumer.kafka import client
from consumer.kafka.ends import Ends
from consumer.kafka.loop import DetectLoop, LoopTopics
from consumer.kafka.partition import Partition
from consumer.kafka.restore import Restorer, Start
from consumer.kafka.transaction import Transactions
from consumer.metrics import DetectMetrics
from consumer.records import Reminder


def build(shared: Shared) -> DetectLoop:
    """The loop, ready to run. Raises RegistryUnavailable, SchemaRefused."""
    s, clock = shared.settings, shared.clock
    group, commit_interval = f"{s.kafka.group_prefix}-detect", millis(s.detect.commit_interval)
    shared.codec.register(s.topics.reminders, Reminder)  # now, so that no commit ever waits for the registry
    restorer = Restorer(
        shared.admin,
        lambda: consumer(s.kafka, {"group.id": f"{group}-restore", "fetch.wait.max.ms": 10}),
        topic=s.source.topic,
        state_topic=s.state_topic,
        group=group,
        rules=_rules(s),
        from_latest=s.source.start == "latest",
    )
    return DetectLoop(
        consumer=consumer(
            s.kafka,
            {
                "group.id": group,
                "group.instance.id": shared.instance,
                "auto.offset.reset": "error",
                "partition.assignment.strategy": "cooperative-sticky",
            },
        ),
        transactions=Transactions(_producer(s.kafka, f"{group}-{shared.instance}")),
        restorer=restorer,
        ends=Ends(shared.admin, s.source.topic, clock, min(commit_interval, SECOND) // 2),
        decoder=decoder(shared),
        topics=LoopTopics(activity=s.source.topic, dead_letters=s.topics.dead_letters),
        make_partition=lambda number, start: _partition(shared, number, start),
        commit_interval=commit_interval,
        clock=clock,
        metrics=DetectMetrics(shared.metrics),
        progress=shared.health.part("detect").ok,
    )


def decoder(shared: Shared) -> ActivityDecoder:
    """Reads the input topic's records. Raises ConfigError for files of schemas that cannot be used."""
    source = shared.settings.source
    fields, meanings = fields_of(source), meanings_of(source, shared.settings.processes)
    wants = meanings.wants if meanings else None
    if source.format == "json":
        return ActivityDecoder(JsonReader(fields, wants), meanings)
    shared.writers.learn(_schemas(source.schemas))
    return ActivityDecoder(AvroReader(shared.writers, fields, wants), meanings)


def _schemas(files: Sequence[Path]) -> list[WriterSchema]:
    try:
        return read_schemas(files)
    except UnusableSchema as problem:
        raise ConfigError([f"source.schemas: {problem}"]) from problem


def _rules(s: Settings) -> Rules:
    return Rules(
        ladders={name: [millis(span) for span in p.remind_after] for name, p in s.processes.items()},
        allowed_lateness=millis(s.detect.allowed_lateness),
        settle=millis(s.detect.settle),
        expire_after=millis(s.policy.expire_after),
        forget_after=millis(s.detect.forget_after),
    )


def _partition(shared: Shared, number: int, start: Start) -> Partition:
    s = shared.settings
    return Partition(
        number,
        start,
        encode=lambda reminder: shared.codec.encode(reminder, s.topics.reminders),
        reminders_topic=s.topics.reminders,
        state_topic=s.state_topic,
    )


def consumer(kafka: Kafka, ours: Mapping[str, object]) -> Consumer:
    reading = {
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        # The defaults let a reader that catches up wait for a second whenever its queue is full.
        "queued.min.messages": 500_000,
        "fetch.queue.backoff.ms": 10,
    }
    return Consumer(client.settings(kafka, reading | dict(ours)))


def _producer(kafka: Kafka, name: str) -> Producer:
    return Producer(client.settings(kafka, {"transactional.id": name, "linger.ms": 5, "compression.type": "lz4"}))
