"""All records of a transaction become visible, or none: on a real broker."""

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.transactional_producer import Aborted, Fenced, TransactionalProducer, command_producer
from tests.broker.topics import FreshTopics, fresh_name
from tests.kafka.committed import committed


@contextmanager
def taken_over(
    bootstrap: str, name: str | None = None, client: Mapping[str, str | int | float | bool] | None = None
) -> Iterator[TransactionalProducer]:
    kafka = KafkaSettings(bootstrap_servers=bootstrap, client=dict(client or {}))
    producer = command_producer(kafka, name=name or fresh_name("job"))
    producer.take_over()
    yield producer
    producer.close()


def outputs(topic: str, *values: str) -> list[Output]:
    return [Output(topic, 0, b"k", value.encode()) for value in values]


def committed_values(bootstrap: str, topic: str) -> list[str]:
    return [(seen.value or b"").decode() for seen in committed(bootstrap, topic)]


def test_writes_everything_with_headers_and_null_values(kafka: str, topics: FreshTopics) -> None:
    topic = topics(2)
    with taken_over(kafka) as producer:
        count = producer.write([Output(topic, 0, b"a", b"1", [("why", b"so")]), Output(topic, 1, b"b", None)])
    first, second = committed(kafka, topic)
    assert count == 2
    assert (first.partition, first.key, first.value, first.headers) == (0, b"a", b"1", {"why": b"so"})
    assert (second.partition, second.key, second.value, second.headers) == (1, b"b", None, {})


def test_waits_for_room_in_the_clients_queue(kafka: str, topics: FreshTopics) -> None:
    topic = topics(1)
    with taken_over(kafka, client={"queue.buffering.max.messages": 10}) as producer:
        assert producer.write(outputs(topic, *map(str, range(100)))) == 100
    assert committed_values(kafka, topic) == [str(n) for n in range(100)]


def test_exception_in_outputs_aborts_and_the_next_write_succeeds(kafka: str, topics: FreshTopics) -> None:
    topic = topics(1)

    def failing() -> Iterator[Output]:
        yield from outputs(topic, "half")
        raise LookupError("torn")

    with taken_over(kafka) as producer:
        with pytest.raises(LookupError, match="torn"):
            producer.write(failing())
        assert committed_values(kafka, topic) == []
        producer.write(outputs(topic, "whole"))
    assert committed_values(kafka, topic) == ["whole"]


def test_refused_record_aborts_all_and_names_its_topic(kafka: str, topics: FreshTopics) -> None:
    small, other = topics(1, config={"max.message.bytes": "2000"}), topics(1)
    with taken_over(kafka) as producer:
        with pytest.raises(Aborted, match=f"{small}: .*too large") as by_broker:
            producer.write([*outputs(other, "fine"), *outputs(small, "x" * 5_000)])
        with pytest.raises(Aborted, match=f"{small}: .*too large") as by_client:
            producer.write([*outputs(other, "fine"), *outputs(small, "x" * 20_000_000)])
        assert not by_broker.value.repeatable
        assert not by_client.value.repeatable
        assert committed_values(kafka, other) == []
        producer.write(outputs(other, "later"))
    assert committed_values(kafka, other) == ["later"]


def test_unknown_topic_aborts_and_is_worth_repeating(kafka: str, topics: FreshTopics) -> None:
    topic = topics(1)
    with taken_over(kafka, client={"topic.metadata.propagation.max.ms": 100}) as producer:
        with pytest.raises(Aborted, match=r"nowhere: .*[Uu]nknown topic") as aborted:
            producer.write([*outputs(topic, "fine"), *outputs("nowhere", "x")])
        assert aborted.value.repeatable
        producer.write(outputs(topic, "again"))
    assert committed_values(kafka, topic) == ["again"]


def test_unknown_partition_is_named(kafka: str, topics: FreshTopics) -> None:
    topic = topics(1)
    with taken_over(kafka) as producer, pytest.raises(Aborted, match=f"{topic}: .*[Uu]nknown partition"):
        producer.write([Output(topic, 7, None, b"x")])


def write_with_alarm(producer: TransactionalProducer, outputs: list[Output], *, after_s: float) -> None:
    try:
        signal.setitimer(signal.ITIMER_REAL, after_s)
        producer.write(outputs)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_ctrl_c_at_any_moment_is_a_keyboard_interrupt(kafka: str, topics: FreshTopics) -> None:
    """A signal comes half a millisecond later in each round; delivery reports of refused records come meanwhile."""
    topic = topics(1, config={"max.message.bytes": "2000"})
    interrupted: list[int] = []

    def interrupt(number: int, _: object) -> None:
        interrupted.append(number)
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        with taken_over(kafka) as producer:
            for step in range(1, 60):
                interrupted.clear()
                with pytest.raises((KeyboardInterrupt, Aborted)) as raised:
                    write_with_alarm(producer, outputs(topic, *["x" * 5_000] * 10), after_s=step * 0.0005)
                assert raised.type is (KeyboardInterrupt if interrupted else Aborted)
    finally:
        signal.signal(signal.SIGALRM, former)
    assert committed_values(kafka, topic) == []


@pytest.mark.parametrize("more", [0, 1, 200])
def test_later_producer_fences_the_earlier_one(kafka: str, topics: FreshTopics, more: int) -> None:
    """The fence is found by the commit, by the record before it, or by a record in the middle."""
    topic, name = topics(1), fresh_name("job")

    def overtaken() -> Iterator[Output]:
        yield from outputs(topic, "earlier")
        with taken_over(kafka, name) as later:
            later.write(outputs(topic, "later"))
        for output in outputs(topic, *["earlier"] * more):
            time.sleep(0.005)
            yield output

    with taken_over(kafka, name) as earlier:
        with pytest.raises(Fenced):
            earlier.write(overtaken())
        with pytest.raises(Fenced):
            earlier.write(outputs(topic, "again"))
    assert committed_values(kafka, topic) == ["later"]


def test_partitions_keys_like_javas_client_unless_configured(kafka: str, topics: FreshTopics) -> None:
    # Of 10 partitions, as Java's DefaultPartitioner does: toPositive(murmur2(key)) % 10
    by_java = {b"u1": _murmur2(b"u1") % 10, b"u-42": _murmur2(b"u-42") % 10, b"maria": _murmur2(b"maria") % 10}
    topic, configured = topics(10), topics(10)
    with taken_over(kafka) as producer:
        producer.write([Output(topic, -1, key, b"") for key in by_java])
    assert {seen.key: seen.partition for seen in committed(kafka, topic)} == by_java
    with taken_over(kafka, client={"partitioner": "consistent"}) as producer:
        producer.write([Output(configured, -1, key, b"") for key in by_java])
    assert {seen.key: seen.partition for seen in committed(kafka, configured)} != by_java


def _murmur2(data: bytes) -> int:
    """As in Kafka's Utils.java, made positive as there."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    for start in range(0, len(data) - len(data) % 4, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if tail := data[len(data) - len(data) % 4 :]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF
