"""The detect role, built from settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import Consumer, Producer

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.event_mapping import build_event_mapping
from consumer.activity.field_paths import build_field_paths
from consumer.activity.json_reader import JsonReader
from consumer.activity.schemas.avro_schema import UnusableSchema, WriterSchema, read_schemas
from consumer.clock import SECOND
from consumer.config.errors import ConfigError
from consumer.config.kafka import KafkaSettings
from consumer.config.settings import Settings
from consumer.config.types import millis
from consumer.detect.brake import BrakeRules
from consumer.detect.lapse_rules import LapseRules
from consumer.kafka.changelog.restore import Restorer, Start
from consumer.kafka.clients import settings
from consumer.kafka.clients.connection_watchdog import ConnectionWatchdog
from consumer.kafka.clients.transaction import Transactions
from consumer.kafka.detect_loop.assignment import Assignment
from consumer.kafka.detect_loop.batch_processing import BatchProcessor
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.kafka.detect_loop.checkpoint import Checkpoint
from consumer.kafka.detect_loop.end_offset_poller import EndOffsetPoller
from consumer.kafka.detect_loop.loop import DetectLoop
from consumer.kafka.detect_loop.partition_count_guard import PartitionCountGuard
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics
from consumer.records import Reminder
from consumer.wiring.shared import Shared

# Of a minute that librdkafka would wait for an answer that a broker in trouble has lost, and nobody else could speak.
_PATIENCE = {"socket.timeout.ms": 10_000}


def build(shared: Shared) -> DetectLoop:
    """The loop, ready to run. Raises RegistryUnavailable, SchemaRefused."""
    s, clock, metrics = shared.settings, shared.clock, DetectMetrics(shared.metrics)
    group, commit_interval, topic = group_name(s), millis(s.detect.commit_interval), s.source.topic
    part = shared.health.register("detect")

    def waits(whom: str) -> None:
        part.failing(f"waiting for {whom}")

    shared.codec.register(s.topics.reminders, Reminder)  # now, so that no commit ever waits for the registry
    member = consumer(
        s.kafka,
        {
            "group.id": group,
            "group.instance.id": shared.instance,
            "auto.offset.reset": "error",
            "partition.assignment.strategy": "cooperative-sticky",
        },
    )
    writer = producer(s.kafka, f"{group}-{shared.instance}")
    reads, writes, asks = (
        ConnectionWatchdog(client, s.kafka, topic, clock) for client in (member, writer, shared.admin)
    )

    def unanswered(whom: str) -> None:
        waits(whom)
        writes.report_no_answer()

    transactions = Transactions(writer, unanswered)
    brake_control = BrakeControl(brake_rules(s), clock, metrics)
    return DetectLoop(
        consumer=member,
        transactions=transactions,
        assignment=Assignment(
            restorer(shared),
            lambda number, start: _partition(shared, number, start),
            clock=clock,
            metrics=metrics,
            waits=waits,
        ),
        commits=Checkpoint(member, transactions, topic=topic, every=commit_interval, clock=clock, metrics=metrics),
        ends=EndOffsetPoller(shared.admin, topic, clock, min(commit_interval, SECOND) // 20, asks.report_no_answer),
        count=PartitionCountGuard(shared.admin, topic, s.state_topic, clock),
        brake_control=brake_control,
        reading=BatchProcessor(
            member,
            decoder(shared),
            topic=topic,
            dead_letters=s.topics.dead_letters,
            brake_control=brake_control,
            clock=clock,
            metrics=metrics,
        ),
        topic=topic,
        clock=clock,
        metrics=metrics,
        progress=part.ok,
        waits=waits,
        idle=reads.report_no_answer,
    )


def restorer(shared: Shared) -> Restorer:
    """Opens partitions with what the state topic holds of them."""
    s, group = shared.settings, group_name(shared.settings)
    return Restorer(
        shared.admin,
        lambda: consumer(s.kafka, {"group.id": f"{group}-restore", "fetch.wait.max.ms": 10, "check.crcs": True}),
        topic=s.source.topic,
        state_topic=s.state_topic,
        group=group,
        rules=rules(s),
        from_latest=s.source.start == "latest",
    )


def group_name(s: Settings) -> str:
    """Of the consumer group; the state topic's segments carry it."""
    return f"{s.kafka.group_prefix}-detect"


def decoder(shared: Shared) -> ActivityDecoder:
    """Reads the input topic's records. Raises ConfigError for files of schemas that cannot be used."""
    source = shared.settings.source
    fields, meanings = build_field_paths(source), build_event_mapping(source, shared.settings.processes)
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


def rules(s: Settings) -> LapseRules:
    return LapseRules(
        ladders={name: [millis(span) for span in p.remind_after] for name, p in s.processes.items()},
        allowed_lateness=millis(s.detect.allowed_lateness),
        settle=millis(s.detect.settle),
        expire_after=millis(s.policy.expire_after),
        forget_after=millis(s.detect.forget_after),
    )


def brake_rules(s: Settings) -> BrakeRules:
    brake = s.detect.brake
    return BrakeRules(
        floor=brake.floor,
        share_of_mean=brake.share_of_mean,
        window=millis(brake.window),
        mean_over=millis(brake.mean_over),
        lapse_limit=brake.lapse_limit,
    )


def _partition(shared: Shared, number: int, start: Start) -> PartitionTask:
    s = shared.settings
    return PartitionTask(
        number,
        start,
        encode=lambda reminder: shared.codec.encode(reminder, s.topics.reminders),
        reminders_topic=s.topics.reminders,
        state_topic=s.state_topic,
        most_bad=s.detect.bad_record_share,
    )


def consumer(kafka: KafkaSettings, ours: Mapping[str, object]) -> Consumer:
    reading = {
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        # A short queue: what is taken from it is still in the processor's cache. And one that is looked at often: the
        # default has a reader that catches up wait for a second whenever it was full.
        "queued.min.messages": 1_000_000,
        "queued.max.messages.kbytes": 1_000,
        "fetch.queue.backoff.ms": 2,
    }
    return Consumer(_PATIENCE | settings.client_settings(kafka, reading | dict(ours)))


def producer(kafka: KafkaSettings, name: str) -> Producer:
    """`name` is its transactional id."""
    ours = {
        "transactional.id": name,
        "linger.ms": 5,
        "compression.type": "lz4",
        "message.max.bytes": settings.LARGEST_RECORD,  # of dead letters; state segments are smaller
    }
    # A record gives up before its transaction does, so that we abort, and the broker does not: that would end us.
    # While a transaction is open readers of the reminders wait: a killed process may hold them up for so long.
    # A request that waits for a coordinator is looked at again when a connection comes or goes, and by no clock.
    idle = {"connections.max.idle.ms": 10_000}
    patience = {"transaction.timeout.ms": 30_000, "message.timeout.ms": 20_000}
    return Producer(_PATIENCE | patience | idle | settings.client_settings(kafka, ours))
