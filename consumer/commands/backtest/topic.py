"""Reads the history of the input topic between two moments, through detect's own decoder."""

from collections.abc import Iterator
from itertools import islice

from confluent_kafka import Consumer, TopicPartition

from consumer.activity.decoder import Decoded
from consumer.clock import Millis
from consumer.kafka.dead_letters import topic_reader
from consumer.wiring import detect
from consumer.wiring.activity_reader import decode_messages
from consumer.wiring.shared import Shared

_BATCH = 5_000
_TIMEOUT_S = 30


def read_topic(shared: Shared, since: Millis, until: Millis) -> Iterator[tuple[Decoded, int, int]]:
    """Yield what the topic's records hold, decoded, a batch at a time, with how many of how many records were read.

    Raises ConfigError for unusable schemas, KafkaException, RegistryUnavailable, StillOpen.
    """
    topic, decoder = shared.settings.source.topic, detect.decoder(shared)
    consumer = topic_reader.make_consumer(shared.settings.kafka, f"{shared.settings.kafka.group_prefix}-backtest")
    try:
        ranges = _between(consumer, topic, topic_reader.offset_ranges(shared.admin, topic), since, until)
        total, read = sum(map(len, ranges.values())), 0
        records = topic_reader.read(consumer, topic, ranges)
        while batch := list(islice(records, _BATCH)):
            read += len(batch)
            yield decode_messages(decoder, batch, shared.clock.now()), read, total
    finally:
        consumer.close()


def _between(
    consumer: Consumer, topic: str, ranges: dict[int, range], since: Millis, until: Millis
) -> dict[int, range]:
    """Return the offsets of the records that were written from `since` until before `until`."""
    spans = {number: span for number, span in ranges.items() if span}
    bounds = []
    for moment in (since, until):
        wanted = [TopicPartition(topic, number, moment) for number in spans]
        found = consumer.offsets_for_times(wanted, _TIMEOUT_S) if wanted else []
        bounds.append({each.partition: each.offset for each in found})
    first, last = bounds
    return {
        number: range(
            first[number] if first[number] >= 0 else span.stop, last[number] if last[number] >= 0 else span.stop
        )
        for number, span in spans.items()
    }
