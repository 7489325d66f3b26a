"""The checks of what is in the topics: the newest events against the configuration, their users against contacts."""

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

import polars as pl
from confluent_kafka import KafkaException

from consumer.activity.decoder import Decoded
from consumer.activity.errors import BadRecord, RegistryUnavailable
from consumer.activity.field_paths import build_field_paths
from consumer.activity.whole_events import Event, WholeEventReader
from consumer.commands import kafka_probe
from consumer.commands.check import forecast
from consumer.commands.check.event_names import NamesSeen, check_names, never_seen
from consumer.commands.check.input_sample import check_decoded, decode
from consumer.commands.check.people import check_people
from consumer.commands.check.source_paths import check_paths
from consumer.commands.terminal.output import CheckResult
from consumer.commands.topic_sample import Sample, TopicSampler
from consumer.config.settings import Settings
from consumer.config.types import millis
from consumer.kafka.clients import group_offsets
from consumer.kafka.clients.error_codes import in_words
from consumer.wiring import detect
from consumer.wiring.shared import Shared

MAX_RECORDS, MAX_BYTES = 20_000, 64 * 1024 * 1024
"""Of the sample, for all partitions together."""
MORE_RECORDS = 200_000
"""Older records that are searched for names which the sample lacks."""


def check_data(shared: Shared) -> Iterator[CheckResult]:
    """Check samples of the topics, each read for at most ten seconds. Raises ConfigError for unusable schemas."""
    s, topic = shared.settings, shared.settings.source.topic
    sampler = TopicSampler(shared.admin, s.kafka, shared.clock, s.kafka.group_prefix)
    decoder = detect.decoder(shared)
    try:
        sample = sampler.newest(topic, MAX_RECORDS, MAX_BYTES)
        decoded = decode(sample, decoder, shared.clock.now())
        yield from check_decoded(topic, decoded, millis(s.detect.clock_doubt))
        yield from _check_source(sampler, sample, _event_reader(shared), s)
    except (KafkaException, RegistryUnavailable) as problem:
        yield CheckResult(False, f"records of {topic}", f"they cannot be read: {kafka_probe.why_not_read(problem)}")
        return
    yield forecast.check_delay(s)
    users = _users(decoded.values(), s)
    reachable: Set[str] = users
    if s.onemsg is not None:
        lines, reachable = check_people(sampler, s.topics.contacts, shared.codec, users, s.policy)
        yield from lines
    yield from _start(shared, sample, [found.frame for found in decoded.values()], reachable)


def _event_reader(shared: Shared) -> WholeEventReader:
    s = shared.settings
    return WholeEventReader(shared.writers, build_field_paths(s.source, s.processes).event_name)


def _start(
    shared: Shared, sample: Sample, frames: Sequence[pl.DataFrame], reachable: Set[str]
) -> Iterator[CheckResult]:
    """Tell what a start now would do."""
    s, now = shared.settings, shared.clock.now()
    try:
        before = group_offsets.committed(s.kafka, detect.group_name(s), s.source.topic, sample.ranges)
    except KafkaException as problem:
        yield CheckResult(
            False, "start", f"the broker does not say how far detect has read: {in_words(problem.args[0])}"
        )
        return
    if before:
        yield CheckResult(True, "start: detect has read this topic before, and goes on where it stopped")
    elif frames:
        backfill, oldest = millis(s.source.backfill), None if sample.is_whole else sample.oldest
        start = forecast.first_minute(frames, detect.rules(s), reachable, now=now, backfill=backfill)
        yield forecast.check_start(start, s.source.backfill, reaches_back=None if oldest is None else now - oldest)


def _check_source(sampler: TopicSampler, sample: Sample, read: WholeEventReader, s: Settings) -> Iterator[CheckResult]:
    events = list(_readable((message for message in sample if message.value()), read))
    yield from check_paths(s.source, events)
    seen = NamesSeen().add(s.source, events)
    if never_seen(s.source, s.processes, seen) and not sample.is_whole:
        older = sampler.older(s.source.topic, sample, MORE_RECORDS, 4 * MAX_BYTES)
        seen.add(s.source, _readable(older, read))
    yield from check_names(s.source, s.processes, seen)


def _readable(messages: Iterator[Any], read: WholeEventReader) -> Iterator[Event]:
    """Yield the events that can be read, with what is around them; `check_readable` counts the others."""
    for message in messages:
        try:
            yield read(message.value()) | read.around(message)
        except BadRecord:
            continue


def _users(decoded: Iterable[Decoded], s: Settings) -> set[str]:
    """Return the users whose events concern a configured process."""
    frames = (found.frame for found in decoded)
    return {user for frame in frames for user in frame.filter(frame["process"].is_in(list(s.processes)))["user_id"]}
