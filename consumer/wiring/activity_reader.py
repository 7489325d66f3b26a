"""Reads activities back from the input topic, through detect's own decoder."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.activity.decoder import ActivityDecoder, Decoded
from consumer.activity.errors import RegistryUnavailable
from consumer.activity.record_metadata import Metadata
from consumer.clock import Millis
from consumer.config.errors import ConfigError
from consumer.config.settings import Settings
from consumer.config.types import millis
from consumer.insight.activity_history import Activity
from consumer.kafka.clients import topics
from consumer.kafka.dead_letters import topic_reader
from consumer.kafka.detect_loop.range_reader import read_batches
from consumer.records import Ending
from consumer.wiring import detect
from consumer.wiring.shared import Shared

_TIMEOUT_S = 10
logger = structlog.get_logger()


@dataclass(slots=True)
class Coverage:
    """What the topic still holds of a span of time; filled in while it is read."""

    is_empty: bool = False
    """It holds nothing at all."""
    is_compacted: bool = False
    """As far as the broker tells its settings."""
    cut: set[int] = field(default_factory=set)
    """Partitions of which records of the span, or all, may have been deleted."""
    complete_from: Millis | None = None
    """When the oldest records of those were written: from the latest of these times on nothing is missing."""


class HistoryBatch(NamedTuple):
    """Some records, decoded, and how many of how many have been read with them."""

    decoded: Decoded
    read: int
    total: int


def lookback(settings: Settings) -> Millis:
    """Return how far back an activity can still matter now: the longest rung, and the life of its reminder."""
    longest = max(millis(each.remind_after[-1]) for each in settings.processes.values())
    return longest + millis(settings.policy.expire_after) + millis(settings.detect.allowed_lateness)


def activities_of(
    shared: Shared, user_id: str, partitions: Collection[int], since: Millis, coverage: Coverage | None = None
) -> list[Activity]:
    """Return the user's activities written since then, in the order in which detect read them.

    `partitions` are where the user is known to be; if there are none, all are read. `coverage` is filled in.
    Raises ConfigError for unusable schemas, KafkaException, RegistryUnavailable, StillOpen.
    """
    found: list[Activity] = []
    for batch in read_history(shared, "explain", since, partitions=partitions, coverage=coverage):
        frame = batch.decoded.frame
        mine = frame.filter(frame["user_id"] == user_id)
        columns = ("process", "ending", "action", "occurred_at", "written_at")
        found += [Activity(p, Ending(e), a, o, w) for p, e, a, o, w in mine.select(columns).iter_rows()]
    return found


def read_history(
    shared: Shared,
    purpose: str,
    since: Millis,
    until: Millis | None = None,
    *,
    partitions: Collection[int] = (),
    timeout_s: float = _TIMEOUT_S,
    coverage: Coverage | None = None,
) -> Iterator[HistoryBatch]:
    """Yield what was written from `since` until before `until` (None: the present end), a batch at a time.

    All partitions are read if none are given. `purpose` ends the name that the broker sees; `timeout_s` is how long it
    may take to look up the times; `coverage` is filled in. Raises ConfigError for unusable schemas, KafkaException,
    RegistryUnavailable, StillOpen.
    """
    topic, decoder, kafka = shared.settings.source.topic, detect.decoder(shared), shared.settings.kafka
    consumer = detect.consumer(kafka, {"group.id": f"{kafka.group_prefix}-{purpose}", "auto.offset.reset": "earliest"})
    try:
        ranges = topic_reader.offset_ranges(shared.admin, topic)
        spans = {n: span for n, span in ranges.items() if span and (not partitions or n in partitions)}
        starts = _offsets_at(consumer, topic, spans, since, timeout_s)
        stops = _offsets_at(consumer, topic, spans, until, timeout_s)
        coverage = Coverage() if coverage is None else coverage
        coverage.is_empty = not any(ranges.values())
        coverage.is_compacted = _is_compacted(shared.admin, topic)
        begins = {number: span.start for number, span in ranges.items() if span.start}
        coverage.cut = {number for number, begin in begins.items() if starts.get(number, begin) == begin}
        uncertain = set(coverage.cut)
        wanted = {number: range(starts[number], stops[number]) for number in spans}
        total, read = sum(map(len, wanted.values())), 0
        for batch in read_batches(consumer, topic, wanted, reads_headers=decoder.reads_headers):
            read += len(batch)
            _, timestamps, keys, values, headers = batch.records
            for partition, start, _ in batch.spans:
                if partition in uncertain:
                    uncertain.remove(partition)
                    coverage.complete_from = max(coverage.complete_from or 0, int(timestamps[start]))
            decoded = decoder.decode(values, timestamps, shared.clock.now(), Metadata(keys, headers))
            yield HistoryBatch(decoded, read, total)
    finally:
        consumer.close()


def _is_compacted(admin: AdminClient, topic: str) -> bool:
    found = topics.inspect(admin, [topic]).get(topic)
    return found is not None and "compact" in (found.config or {}).get("cleanup.policy", "")


def _offsets_at(
    consumer: Consumer, topic: str, spans: Mapping[int, range], moment: Millis | None, timeout_s: float
) -> dict[int, int]:
    """Return the first offset of each partition that was written at this moment or later, the end if there is none."""
    ends = {number: span.stop for number, span in spans.items()}
    if moment is None or not spans:  # librdkafka refuses to look up nothing
        return ends
    found = consumer.offsets_for_times([TopicPartition(topic, number, moment) for number in spans], timeout_s)
    return ends | {each.partition: each.offset for each in found if each.offset >= 0}


def decode_messages(decoder: ActivityDecoder, messages: Sequence[Any], now: Millis) -> Decoded:
    """Return what confluent_kafka's messages hold, keys and headers included. Raises RegistryUnavailable."""
    return decoder.decode(
        [message.value() for message in messages],
        np.array([message.timestamp()[1] for message in messages], np.int64),
        now,
        Metadata([message.key() for message in messages], [message.headers() for message in messages]),
    )


def readable_activities_of(shared: Shared, user_id: str, partitions: Collection[int]) -> list[Activity] | str:
    """Return the user's activities that can still matter, or why they cannot be read, for the console."""
    settings = shared.settings
    try:
        return activities_of(shared, user_id, partitions, max(0, shared.clock.now() - lookback(settings)))
    except (ConfigError, KafkaException, RegistryUnavailable, topic_reader.StillOpen) as problem:
        logger.warning("activities_not_read", error=type(problem).__name__)
        return f"{settings.source.topic} was not read: the broker or the schema registry does not answer"
