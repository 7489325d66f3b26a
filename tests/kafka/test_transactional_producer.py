"""All records of a write are seen, or none."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from signal import SIGINT, raise_signal

import pytest

from consumer.config.settings import KafkaSettings
from consumer.kafka.clients.transactional_producer import AllOrNothing, NotWritten, Replaced
from consumer.kafka.clients.output import Output
from tests.broker.topics import FreshTopics, fresh_name
from tests.kafka.committed import committed


@contextmanager
def writing(
    bootstrap: str, name: str | None = None, client: Mapping[str, str | int | float | bool] | None = None
) -> Iterator[AllOrNothing]:
    kafka = KafkaSettings(bootstrap_servers=bootstrap, client=dict(client or {}))
    writer = AllOrNothing(kafka, name=name or fresh_name("job"))
    writer.begin()
    yield writer
    writer.close()


def outputs(topic: str, *values: str) -> list[Output]:
    return [Output(topic, 0, b"k", value.encode()) for value in values]


def values(bootstrap: str, topic: str) -> list[str]:
    return [(seen.value or b"").decode() for seen in committed(bootstrap, topic)]


def test_all_of_it_is_there_with_headers_and_null_values(kafka: str, topics: FreshTopics) -> None:
    topic = topics(2)
    with writing(kafka) as writer:
        count = writer.write([Output(topic, 0, b"a", b"1", [("why", b"so")]), Output(topic, 1, b"b", None)])
    first, second = committed(kafka, topic)
    assert count == 2
    assert (first.partition, first.key, first.value, first.headers) == (0, b"a", b"1", {"why": b"so"})
    assert (second.partition, second.key, second.value, second.headers) == (1, b"b", None, {})


def test_what_does_not_fit_into_the_clients_queue_waits_for_room(kafka: str, topics: FreshTopics) -> None:
    topic = topics(1)
    with writing(kafka, client={"queue.buffering.max.messages": 10}) as writer:
        assert writer.write(outputs(topic, *map(str, range(100)))) == 100
    assert values(kafka, topic) == [str(n) for n in range(100)]


def test_what_goes_wrong_in_the_middle_leaves_nothing_and_the_writer_goes_on(kafka: str, topics: FreshTopics) -> None:
    topic = topics(1)

    def torn() -> Iterator[Output]:
        yield from outputs(topic, "half")
        raise LookupError("torn")

    with writing(kafka) as writer:
        with pytest.raises(LookupError, match="torn"):
            writer.write(torn())
        assert values(kafka, topic) == []
        writer.write(outputs(topic, "whole"))
    assert values(kafka, topic) == ["whole"]


def test_a_record_that_the_broker_refuses_takes_the_others_with_it(kafka: str, topics: FreshTopics) -> None:
    small, other = topics(1, config={"max.message.bytes": "2000"}), topics(1)
    with writing(kafka) as writer:
        with pytest.raises(NotWritten, match=f"{small}: .*too large"):
            writer.write([*outputs(other, "fine"), *outputs(small, "x" * 5_000)])
        with pytest.raises(NotWritten, match="too large"):
            writer.write([*outputs(other, "fine"), *outputs(small, "x" * 20_000_000)])  # the client itself refuses
        assert values(kafka, other) == []
        writer.write(outputs(other, "later"))
    assert values(kafka, other) == ["later"]


def test_who_interrupts_it_while_it_hears_of_a_refusal_has_it_interrupted(
    kafka: str, topics: FreshTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = topics(1, config={"max.message.bytes": "2000"})
    signals = [SIGINT]

    def interrupted(*_: object) -> None:
        while signals:
            raise_signal(signals.pop())

    with writing(kafka) as writer:
        monkeypatch.setattr(writer, "_reported", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.write(outputs(topic, "fine", "x" * 5_000))
    assert values(kafka, topic) == []


def test_a_partition_that_is_not_there_is_named(kafka: str, topics: FreshTopics) -> None:
    topic = topics(1)
    with writing(kafka) as writer, pytest.raises(NotWritten, match=f"{topic}: .*[Uu]nknown partition"):
        writer.write([Output(topic, 7, None, b"x")])


def test_of_two_with_one_name_the_earlier_is_put_out(kafka: str, topics: FreshTopics) -> None:
    topic, name = topics(1), fresh_name("job")

    def overtaken() -> Iterator[Output]:
        yield from outputs(topic, "earlier")
        with writing(kafka, name) as later:
            later.write(outputs(topic, "later"))

    with writing(kafka, name) as earlier:
        with pytest.raises(Replaced):
            earlier.write(overtaken())
        with pytest.raises(Replaced):
            earlier.write(outputs(topic, "again"))
    assert values(kafka, topic) == ["later"]


def test_a_key_goes_where_javas_clients_put_it_unless_told_otherwise(kafka: str, topics: FreshTopics) -> None:
    # 10 partitions; what Java's DefaultPartitioner does: toPositive(murmur2(key)) % 10
    by_java = {b"u1": _murmur2(b"u1") % 10, b"u-42": _murmur2(b"u-42") % 10, b"maria": _murmur2(b"maria") % 10}
    topic, told = topics(10), topics(10)
    with writing(kafka) as writer:
        writer.write([Output(topic, -1, key, b"") for key in by_java])
    assert {seen.key: seen.partition for seen in committed(kafka, topic)} == by_java
    with writing(kafka, client={"partitioner": "consistent"}) as writer:
        writer.write([Output(told, -1, key, b"") for key in by_java])
    assert {seen.key: seen.partition for seen in committed(kafka, told)} != by_java


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
