"""The check of the newest records of the input topic: they can be read, and each user is in one partition.

A user in two partitions may be silent in one and active in the other; detect reads partitions separately, and would
request a reminder. No message names a user.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.activity.decoder import ActivityDecoder, Decoded
from consumer.activity.errors import RegistryUnavailable
from consumer.clock import MINUTE, SECOND, Clock, Millis
from consumer.commands.terminal.output import CheckResult
from consumer.config.types import format_duration, millis
from consumer.kafka.clients.client_settings import client_settings
from consumer.kafka.dead_letters import topic_reader
from consumer.wiring import detect
from consumer.wiring.shared import Shared

MAX_RECORDS, MAX_BYTES = 20_000, 64 * 1024 * 1024
"""For all partitions together."""

_MAX_BAD_SHARE = 0.01
"""Up to this share, unreadable records are normal and go to the dead letters; more are a mistake."""
_READ_TIMEOUT_MS: Millis = 10 * SECOND
_BATCH = 500


def check_sample(shared: Shared) -> Iterator[CheckResult]:
    """Check a sample: at most MAX_RECORDS, read for at most ten seconds. Raises ConfigError for unusable schemas."""
    topic = shared.settings.source.topic
    decoder = detect.decoder(shared)
    try:
        decoded = {n: _decoded(decoder, batch, shared.clock) for n, batch in _newest(shared, topic).items()}
    except RegistryUnavailable as problem:
        yield CheckResult(False, f"records of {topic}", f"they cannot be read: {problem}")
        return
    except KafkaException as problem:
        yield CheckResult(False, f"records of {topic}", f"they cannot be read: {problem.args[0].str()}")
        return
    yield check_readable(topic, list(decoded.values()))
    if apart := check_times(topic, list(decoded.values()), millis(shared.settings.detect.clock_doubt)):
        yield apart
    yield check_partitioning(topic, {number: set(found.frame["user_id"]) for number, found in decoded.items()})


def check_readable(topic: str, decoded: Sequence[Decoded]) -> CheckResult:
    """Check that the records can be read, and that some of them concern a process."""
    bad = Counter((bad.reason, bad.error) for found in decoded for bad in found.bad)
    good, ignored = sum(found.frame.height for found in decoded), sum(found.ignored for found in decoded)
    if bad:
        ((reason, error), _), *_ = bad.most_common(1)
        advice = (
            f"{bad.total():,} of the newest records would go to the dead letters, most of them as {reason}: {error}"
        )
        ok = bad.total() <= _MAX_BAD_SHARE * (bad.total() + good + ignored)
        return CheckResult(ok, f"records of {topic}", advice)
    if ignored and not good:
        advice = f"none of the newest {ignored:,} concerns a process: do source and processes match the events?"
        return CheckResult(False, f"records of {topic}", advice)
    return CheckResult(True, f"records of {topic}: the newest can be read" if good else f"records of {topic}: none yet")


def check_times(topic: str, decoded: Sequence[Decoded], clock_doubt: Millis) -> CheckResult | None:
    """Return a failed check if most event times differ from their record times by more than `clock_doubt`."""
    skew = np.concatenate([found.skew for found in decoded]) if decoded else np.empty(0, np.int64)
    apart = int(np.count_nonzero(np.abs(skew) > clock_doubt))
    if 2 * apart <= skew.size:
        return None
    median = int(np.median(skew))
    span = format_duration(timedelta(milliseconds=abs(median) - abs(median) % MINUTE))
    return CheckResult(
        False,
        f"times of {topic}",
        f"{apart:,} of the newest {skew.size:,} events have times further from their records' than detect.clock_doubt,"
        f" {span} {'before' if median > 0 else 'after'} them (the median): whole hours are a time zone that producers"
        " leave out, anything else is history that is being written anew. Nothing is asked for while this is so",
    )


def check_partitioning(topic: str, users: Mapping[int, set[str]]) -> CheckResult:
    """Check that no user is in two partitions. `users` are the ids by partition."""
    places = Counter(user for some in users.values() for user in some)
    twice = sum(number > 1 for number in places.values())
    if not twice:
        return CheckResult(True, f"users of {topic}: each of the newest {len(places):,} is in one partition")
    return CheckResult(
        False,
        f"users of {topic}",
        f"{twice:,} of the newest {len(places):,} are in several partitions, so somebody who is active in one could be"
        " reminded because of another: let all producers use the user's id as the key and the same partitioner (the"
        " defaults of Java and librdkafka differ), and do not change the number of partitions",
    )


def _decoded(decoder: ActivityDecoder, batch: Sequence[Any], clock: Clock) -> Decoded:
    timestamps = np.array([message.timestamp()[1] for message in batch], np.int64)
    return decoder.decode([message.value() for message in batch], timestamps, clock.now())


def _newest(shared: Shared, topic: str) -> dict[int, list[Any]]:
    """Return the newest records by partition, including uncommitted ones: their partition is right or wrong too."""
    spans = {number: span for number, span in topic_reader.offset_ranges(shared.admin, topic).items() if span}
    share = MAX_RECORDS // max(1, len(spans))
    ours = {"group.id": f"{shared.settings.kafka.group_prefix}-check", "enable.auto.commit": False}
    ours |= {"enable.partition.eof": True, "isolation.level": "read_uncommitted", "auto.offset.reset": "earliest"}
    consumer = Consumer(client_settings(shared.settings.kafka, ours))
    try:
        starts = {number: max(span.start, span.stop - share) for number, span in spans.items()}
        consumer.assign([TopicPartition(topic, number, start) for number, start in starts.items()])
        return _read(consumer, shared.clock, set(spans), share)
    finally:
        consumer.close()


def _read(consumer: Consumer, clock: Clock, going: set[int], share: int) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {number: [] for number in going}
    deadline, bytes_left = clock.monotonic() + _READ_TIMEOUT_MS, MAX_BYTES
    while going and bytes_left > 0 and clock.monotonic() < deadline:
        for message in consumer.consume(_BATCH, 0.1):
            number, error = message.partition(), message.error()
            if error is None and number in going:
                found[number].append(message)
                bytes_left -= len(message)
                going -= {number} if len(found[number]) >= share else set()
            elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                going.discard(number)
            elif error is not None and not error.retriable():
                raise KafkaException(error)
    return found
