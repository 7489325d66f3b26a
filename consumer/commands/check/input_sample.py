"""`lapse check` looks at the newest records of the input topic: can they be read, and is each user in one partition?

A user in two partitions may fall silent in one and be busy in the other, and detect, which sees each alone, would ask
for a reminder. What is said names no user.
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
from consumer.commands.terminal.output import Line
from consumer.config.types import format_duration, millis
from consumer.kafka.clients.client_settings import client_settings
from consumer.kafka.dead_letters import topic_reader
from consumer.wiring import detect
from consumer.wiring.shared import Shared

MOST, MOST_BYTES = 20_000, 64 * 1024 * 1024
"""Of all partitions together."""

_TOLERATED = 0.01
"""Share of records that cannot be read: a few have their place on the dead letters, more are a mistake."""
_PATIENCE: Millis = 10 * SECOND
_BATCH = 500


def sampled(shared: Shared) -> Iterator[Line]:
    """Reads at most MOST records, for ten seconds at most. Raises ConfigError for schemas that cannot be used."""
    topic = shared.settings.source.topic
    decoder = detect.decoder(shared)
    try:
        decoded = {n: _decoded(decoder, batch, shared.clock) for n, batch in _newest(shared, topic).items()}
    except RegistryUnavailable as problem:
        yield Line(False, f"records of {topic}", f"they cannot be looked at: {problem}")
        return
    except KafkaException as problem:
        yield Line(False, f"records of {topic}", f"they cannot be looked at: {problem.args[0].str()}")
        return
    yield readable(topic, list(decoded.values()))
    if apart := times_apart(topic, list(decoded.values()), millis(shared.settings.detect.clock_doubt)):
        yield apart
    yield in_one_partition(topic, {number: set(found.frame["user_id"]) for number, found in decoded.items()})


def readable(topic: str, decoded: Sequence[Decoded]) -> Line:
    """Can they be read, and does any of them concern a process?"""
    bad = Counter((bad.reason, bad.error) for found in decoded for bad in found.bad)
    good, ignored = sum(found.frame.height for found in decoded), sum(found.ignored for found in decoded)
    if bad:
        ((reason, error), _), *_ = bad.most_common(1)
        what = f"{bad.total():,} of the newest would go to the dead letters, most as {reason}: {error}"
        return Line(bad.total() <= _TOLERATED * (bad.total() + good + ignored), f"records of {topic}", what)
    if ignored and not good:
        what = f"none of the newest {ignored:,} concerns a process: do source and the processes name what is in them?"
        return Line(False, f"records of {topic}", what)
    return Line(True, f"records of {topic}: the newest can be read" if good else f"records of {topic}: none yet")


def times_apart(topic: str, decoded: Sequence[Decoded], clock_doubt: Millis) -> Line | None:
    """Return a line if most events' times are further from their records' than clocks are wrong."""
    skew = np.concatenate([found.skew for found in decoded]) if decoded else np.empty(0, np.int64)
    apart = int(np.count_nonzero(np.abs(skew) > clock_doubt))
    if 2 * apart <= skew.size:
        return None
    median = int(np.median(skew))
    span = format_duration(timedelta(milliseconds=abs(median) - abs(median) % MINUTE))
    return Line(
        False,
        f"times of {topic}",
        f"{apart:,} of the newest {skew.size:,} events have times further from their records' than detect.clock_doubt,"
        f" {span} {'before' if median > 0 else 'after'} them (the median): whole hours are a time zone that producers"
        " leave out, anything else is history that is being written anew. Nothing is asked for while this is so",
    )


def in_one_partition(topic: str, users: Mapping[int, set[str]]) -> Line:
    """`users` by partition."""
    places = Counter(user for some in users.values() for user in some)
    twice = sum(number > 1 for number in places.values())
    if not twice:
        return Line(True, f"users of {topic}: each of the newest {len(places):,} is in one partition")
    return Line(
        False,
        f"users of {topic}",
        f"{twice:,} of the newest {len(places):,} are in several partitions, so that somebody busy in one could be"
        " reminded because of another: have all producers use the user's id as the key and the same partitioner"
        " (Java's and librdkafka's differ unless told), and leave the number of partitions as it is",
    )


def _decoded(decoder: ActivityDecoder, batch: Sequence[Any], clock: Clock) -> Decoded:
    timestamps = np.array([message.timestamp()[1] for message in batch], np.int64)
    return decoder.decode([message.value() for message in batch], timestamps, clock.now())


def _newest(shared: Shared, topic: str) -> dict[int, list[Any]]:
    """The newest records by partition, committed or not: whoever wrote them wrote them where they are."""
    spans = {number: span for number, span in topic_reader.offset_ranges(shared.admin, topic).items() if span}
    share = MOST // max(1, len(spans))
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
    until, room = clock.monotonic() + _PATIENCE, MOST_BYTES
    while going and room > 0 and clock.monotonic() < until:
        for message in consumer.consume(_BATCH, 0.1):
            number, error = message.partition(), message.error()
            if error is None and number in going:
                found[number].append(message)
                room -= len(message)
                going -= {number} if len(found[number]) >= share else set()
            elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                going.discard(number)
            elif error is not None and not error.retriable():
                raise KafkaException(error)
    return found
