"""The detect role, built from settings."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer

from consumer.activity.build import build_column_decoder, build_decoder
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.schemas.avro_schema import UnusableSchema, WriterSchema, read_schemas
from consumer.activity.schemas.background_registry import BackgroundRegistry
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SECOND, Clock
from consumer.config.errors import ConfigError
from consumer.config.sections.kafka import KafkaSettings
from consumer.config.settings import Settings
from consumer.config.types import millis
from consumer.detect.brake import BrakeRules
from consumer.detect.lapse_rules import LapseRules
from consumer.detect.row_loops import RowLoops
from consumer.kafka.changelog.restore import Restorer, Start
from consumer.kafka.clients.client_settings import MAX_RECORD_BYTES, client_settings
from consumer.kafka.clients.connection_watchdog import ConnectionWatchdog
from consumer.kafka.clients.transactional_producer import TransactionalProducer
from consumer.kafka.dead_letters.size_limit import SizeLimit
from consumer.kafka.detect_loop.assignment import Assignment
from consumer.kafka.detect_loop.batch_processor import BatchProcessor
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.kafka.detect_loop.checkpoint import Checkpoint
from consumer.kafka.detect_loop.decoding import Decoding, FrameDecoding
from consumer.kafka.detect_loop.end_offset_poller import EndOffsetPoller
from consumer.kafka.detect_loop.fetching import Fetch, fetch_columns, fetch_messages
from consumer.kafka.detect_loop.loop import DetectLoop
from consumer.kafka.detect_loop.partition_count_guard import PartitionCountGuard
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.kafka.detect_loop.reminder_encoder import ReminderEncoder
from consumer.metrics import DetectMetrics
from consumer.wiring.fetch_settings import check_fetch
from consumer.wiring.metric_series import start_detect_series
from consumer.wiring.shared import Shared, plain

# librdkafka's default is a minute: so long nothing else is sent while a broker in trouble has lost a request.
_SOCKET_TIMEOUT = {"socket.timeout.ms": 10_000}


def build(shared: Shared) -> DetectLoop:
    """Return the loop, ready to run. Raises RegistryUnavailable, SchemaRefused."""
    s, clock, metrics = shared.settings, shared.clock, DetectMetrics(shared.metrics)
    group, commit_interval, topic = group_name(s), millis(s.detect.commit_interval), s.source.topic
    start_detect_series(metrics, s)
    part = shared.health.register("detect")

    def report_wait(whom: str) -> None:
        part.failing(f"waiting for {whom}")

    encoder = ReminderEncoder(shared.codec, s.topics.reminders)  # now, so that no commit ever waits for the registry
    reader, fetch, member_watchdog = member(s, shared.instance, clock)
    loops, decode = _batch_work(shared)
    writer = producer(s.kafka, f"{group}-{shared.instance}")
    writer_watchdog, admin_watchdog = (
        ConnectionWatchdog(client, s.kafka, topic, clock) for client in (writer.client, shared.admin)
    )

    def report_commit_wait(whom: str) -> None:
        report_wait(whom)
        writer_watchdog.report_no_answer()

    brake_control = BrakeControl(brake_rules(s), clock, metrics)
    return DetectLoop(
        consumer=reader,
        fetch=fetch,
        assignment=Assignment(
            restorer(shared, loops),
            lambda partition, start: _task(shared, encoder, partition, start),
            clock=clock,
            metrics=metrics,
            report_wait=report_wait,
        ),
        batch_processor=BatchProcessor(
            reader,
            decode,
            topic=topic,
            dead_letters=s.topics.dead_letters,
            dead_letter_limit=SizeLimit(shared.admin, s.topics.dead_letters, clock),
            brake_control=brake_control,
            clock=clock,
            metrics=metrics,
            carry_traces=s.telemetry.carry_traceparent,
        ),
        end_offset_poller=EndOffsetPoller(
            shared.admin, topic, clock, min(commit_interval, SECOND) // 20, admin_watchdog.report_no_answer
        ),
        brake_control=brake_control,
        checkpoint=Checkpoint(
            reader,
            writer,
            topic=topic,
            interval_ms=commit_interval,
            report_wait=report_commit_wait,
            waiting=part.waiting,
            clock=clock,
            metrics=metrics,
            record_span=shared.record_span,
        ),
        partition_count_guard=PartitionCountGuard(shared.admin, topic, s.state_topic, clock),
        topic=topic,
        group=group,
        clock=clock,
        metrics=metrics,
        report_progress=part.ok,
        report_wait=report_wait,
        on_idle=member_watchdog.report_no_answer,
    )


def restorer(shared: Shared, loops: RowLoops) -> Restorer:
    """Return what restores partitions from the state topic; `loops` are for their tables."""
    s = shared.settings
    return Restorer(
        shared.admin,
        lambda: state_consumer(s),
        topic=s.source.topic,
        state_topic=s.state_topic,
        group=group_name(s),
        rules=rules(s),
        loops=loops,
        from_latest=s.source.start == "latest",
        backfill=millis(s.source.backfill),
        endings_missed=bool(s.source.event),
        state_key=state_key(s),
        clock=shared.clock,
    )


def _batch_work(shared: Shared) -> tuple[RowLoops, Decoding]:
    """Return what is done to the rows of a batch, and how it is decoded for that."""
    s, writers = shared.settings, _background_writers(shared) or shared.writers
    if s.source.fetch == "messages":
        loops = RowLoops((secrets.randbits(63), secrets.randbits(63)))
        return loops, FrameDecoding(decoder(shared, writers), loops)
    # They need numba, which `member` has found.
    from consumer.byte_columns.siphash import KEY_BYTES
    from consumer.detect.compiled_row_loops import CompiledRowLoops
    from consumer.kafka.detect_loop.column_decoding import ColumnDecoding

    compiled = CompiledRowLoops(secrets.token_bytes(KEY_BYTES))
    by_columns = build_column_decoder(s.source, s.processes, _learned(s, writers), millis(s.detect.clock_doubt))
    if by_columns is None:
        return compiled, FrameDecoding(decoder(shared, writers), compiled)
    return compiled, ColumnDecoding(by_columns, compiled)


def state_consumer(s: Settings) -> Consumer:
    """Return a consumer of the state topic, which joins no group. It notices what was damaged on the broker's disk."""
    return consumer(s.kafka, {"group.id": f"{group_name(s)}-restore", "fetch.wait.max.ms": 10, "check.crcs": True})


def state_key(s: Settings) -> bytes:
    """Return the key of the state's checksums, empty if none is configured. Raises ConfigError."""
    return b"" if s.topics.state_key is None else plain(s.topics.state_key, "topics.state_key").encode()


def group_name(s: Settings) -> str:
    """Return the name of the consumer group, which the state topic's segments carry."""
    return f"{s.kafka.group_prefix}-detect"


def decoder(shared: Shared, writers: WriterSchemas | None = None) -> ActivityDecoder:
    """Return the decoder of the input topic. Without `writers` it waits for the schema registry.

    Raises ConfigError for schema files that cannot be used.
    """
    s = shared.settings
    return build_decoder(s.source, s.processes, _learned(s, writers or shared.writers), millis(s.detect.clock_doubt))


def _learned(s: Settings, writers: WriterSchemas) -> WriterSchemas:
    """Return the writers' schemas with those of files."""
    if s.source.format == "avro":
        writers.learn(_schemas(s.source.schemas))
    return writers


def _background_writers(shared: Shared) -> WriterSchemas | None:
    """Return writers' schemas whose registry is asked beside the loop; None where there is no registry."""
    if shared.registry is None:
        return None
    return WriterSchemas(shared.clock, BackgroundRegistry(shared.registry, shared.clock))


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
        clock_doubt=millis(s.detect.clock_doubt),
        hush=millis(s.detect.hush),
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
        # Who lapses was silent for a rung: it is enough to have heard the input for as long.
        warm_up=min(millis(brake.mean_over), *(millis(p.remind_after[0]) for p in s.processes.values())),
        lapse_limit=brake.lapse_limit,
    )


def _task(shared: Shared, encoder: ReminderEncoder, partition: int, start: Start) -> PartitionTask:
    s = shared.settings
    return PartitionTask(
        partition,
        start,
        encoder=encoder,
        reminders_topic=s.topics.reminders,
        state_topic=s.state_topic,
        max_bad_share=s.detect.bad_record_share,
        volume_window=millis(s.detect.brake.window),
    )


def member(s: Settings, instance: str, clock: Clock) -> tuple[Consumer, Fetch, ConnectionWatchdog]:
    """Return the group's member, how its records are fetched, and what watches its connections.

    Raises ConfigError where `source.fetch` cannot be.
    """
    settings = _reading_settings(
        s.kafka,
        {
            "group.id": group_name(s),
            "group.instance.id": instance,
            "auto.offset.reset": "error",
            "partition.assignment.strategy": "cooperative-sticky",
        },
    )
    if s.source.fetch == "messages":
        plain = Consumer(settings)
        return plain, fetch_messages(plain), ConnectionWatchdog(plain, s.kafka, s.source.topic, clock)
    check_fetch(s)
    from consumer.kafka.columns.column_consumer import ColumnConsumer, LibraryUnusable

    try:
        by_columns = ColumnConsumer(settings, s.source.topic)
    except LibraryUnusable as problem:
        raise ConfigError([str(problem)]) from problem
    watchdog = ConnectionWatchdog(by_columns, s.kafka, s.source.topic, clock)
    return by_columns, fetch_columns(by_columns, watchdog.report_no_answer), watchdog


def consumer(kafka: KafkaSettings, ours: Mapping[str, object]) -> Consumer:
    """Return a consumer with our settings for reading, and these."""
    return Consumer(_reading_settings(kafka, ours))


def _reading_settings(kafka: KafkaSettings, ours: Mapping[str, object]) -> dict[str, Any]:
    reading = {
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        # A short queue, so that records are still in the processor's cache when they are taken from it; and one that is
        # checked often: by default the fetcher pauses for a second whenever the queue was full.
        "queued.min.messages": 1_000_000,
        "queued.max.messages.kbytes": 1_000,
        "fetch.queue.backoff.ms": 2,
    }
    return _SOCKET_TIMEOUT | client_settings(kafka, reading | dict(ours))


def producer(kafka: KafkaSettings, name: str) -> TransactionalProducer:
    """Return a producer with this transactional id."""
    ours = {
        "transactional.id": name,
        "linger.ms": 5,
        "compression.type": "lz4",
        "queue.buffering.max.messages": 500_000,  # a commit after an outage may have as many reminders
        "message.max.bytes": MAX_RECORD_BYTES,  # of dead letters; state segments are smaller
    }
    # Records time out before their transaction, so that we abort it: a broker that aborts it would fence us.
    # Readers of `reminders` wait while a transaction is open, after a kill for as long as its timeout.
    # librdkafka retries a request that waits for a coordinator only when a connection opens or closes: idle ones close.
    idle = {"connections.max.idle.ms": 10_000}
    timeouts = {"transaction.timeout.ms": 30_000, "message.timeout.ms": 20_000}
    return TransactionalProducer(_SOCKET_TIMEOUT | timeouts | idle | client_settings(kafka, ours))
