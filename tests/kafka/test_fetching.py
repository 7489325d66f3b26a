"""Records come the same way as message objects and as columns: each once, in order, from where the reader stands."""

import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from consumer.clock import Millis, SystemClock
from consumer.config.errors import ConfigError
from consumer.config.sections.service import TelemetrySettings
from consumer.config.settings import Settings
from consumer.kafka.columns import fetch_client
from consumer.kafka.columns.gathering import Flag, MessageColumns
from consumer.kafka.columns.librdkafka import Library, LibraryUnusable
from consumer.kafka.columns.partition_queues import PartitionQueues
from consumer.kafka.detect_loop.batch_builder import BatchBuilder
from consumer.wiring import detect
from tests.app.service import eventually
from tests.broker.topics import create_topics, fresh_name

PARTITIONS = 3
MANY = 12_000  # more than columns gather at a time
Row = tuple[int, int, bytes | None, bytes | None]
"""Offset, timestamp, key, value."""


class Reader:
    """A group's member without its group, and what it has returned by partition."""

    def __init__(self, bootstrap: str, topic: str, fetch: str) -> None:
        settings = settings_with(bootstrap, fetch=fetch, topic=topic)
        self.consumer, self._fetch, _ = detect.member(settings, "reader", SystemClock())
        self._topic = topic
        self.rows: dict[int, list[Row]] = {number: [] for number in range(PARTITIONS)}
        self.ends: dict[int, int] = {}
        self.errors: list[KafkaError] = []

    def of(self, partition: int, offset: int = -1001) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition, offset)]

    def assign(self, *offsets: int) -> None:
        self.consumer.incremental_assign([self.of(number, offset)[0] for number, offset in enumerate(offsets)])

    def fetch(self, timeout_s: float = 0.05) -> None:
        builder = BatchBuilder()
        for failed in self._fetch.read(builder, timeout_s):
            self._note(failed)
        batch = builder.build()
        offsets, timestamps, keys, values, _ = batch.records
        for partition, start, stop in batch.spans:
            numbers = zip(offsets[start:stop].tolist(), timestamps[start:stop].tolist(), strict=True)
            texts = zip(keys[start:stop], values[start:stop], strict=True)
            self.rows[partition] += [(*a, *b) for a, b in zip(numbers, texts, strict=True)]

    def read_to_the_ends(self, count: int = PARTITIONS) -> None:
        """Read until so many partitions have reported their end."""
        self.ends.clear()
        self.read_until(lambda: len(self.ends) == count, meaning="the ends are reached")

    def read_until(self, done: Callable[[], object], *, meaning: str) -> None:
        def read() -> object:
            self.fetch()
            return done()

        eventually(read, meaning=meaning)

    def offsets(self, partition: int) -> list[int]:
        return [row[0] for row in self.rows[partition]]

    def _note(self, message: Message) -> None:
        error = message.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:
            self.ends[message.partition() or 0] = message.offset() or 0
        else:
            self.errors.append(error)


def settings_with(bootstrap: str, client: Mapping[str, Any] | None = None, **source: str) -> Settings:
    kafka = {"bootstrap_servers": bootstrap, "group_prefix": fresh_name("group"), "client": client or {}}
    processes = {"checkout": {"action": "your order", "remind_after": ["1h"]}}
    return Settings.model_validate({"source": source, "kafka": kafka, "processes": processes})


@pytest.fixture
def topic(kafka: str) -> str:
    name = fresh_name("fetching")
    create_topics(AdminClient({"bootstrap.servers": kafka}), [NewTopic(name, PARTITIONS, 1)])
    return name


@pytest.fixture(params=["messages", "columns"])
def reader(request: pytest.FixtureRequest, kafka: str, topic: str) -> Iterator[Reader]:
    reader = Reader(kafka, topic, request.param)
    yield reader
    reader.consumer.close()


def produce(bootstrap: str, topic: str, partition: int, rows: Sequence[Row], **settings: Any) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "queue.buffering.max.messages": 1_000_000, **settings})
    for _, timestamp, key, value in rows:
        producer.produce(topic, value, key, partition, timestamp=timestamp)
    assert producer.flush(60) == 0


def numbered(count: int, partition: int = 0) -> list[Row]:
    return [(n, 1_700_000_000_000 + n, b"key-%d" % n, b"%d/%d" % (partition, n) * (n % 4)) for n in range(count)]


def test_every_kind_of_record_arrives_whole(reader: Reader, kafka: str, topic: str) -> None:
    """Without a key or a value, with an empty one, with zero bytes, with a megabyte."""
    time = 1_700_000_000_000
    pairs: list[tuple[bytes | None, bytes | None]] = [(None, b"v"), (b"k", None), (None, None), (b"", b"")]
    pairs += [(b"\0k\0", b"\0" * 9), (b"k", b"x" * 900_000), (b"z", b"z")]
    rows = [(n, time + n, *pair) for n, pair in enumerate(pairs)]
    produce(kafka, topic, 1, rows)
    reader.assign(0, 0, 0)
    reader.read_to_the_ends()
    assert reader.rows == {0: [], 1: rows, 2: []}
    assert reader.ends == {0: 0, 1: len(rows), 2: 0}
    assert not reader.errors


def test_many_records_arrive_once_each_and_in_order(reader: Reader, kafka: str, topic: str) -> None:
    for partition in range(PARTITIONS):
        produce(kafka, topic, partition, numbered(MANY, partition))
    reader.assign(0, 5, MANY)
    reader.read_to_the_ends()
    assert reader.rows == {0: numbered(MANY), 1: numbered(MANY, 1)[5:], 2: []}


def test_aborted_transactions_are_not_seen(reader: Reader, kafka: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": fresh_name("id")})
    producer.init_transactions(60)
    for value, ends in ((b"no", producer.abort_transaction), (b"yes", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        producer.flush(60)
        ends(60)
    reader.assign(0, 0, 0)
    reader.read_to_the_ends()
    assert [row[3] for row in reader.rows[0]] == [b"yes"]
    assert reader.ends[0] == 4  # two records and two markers


@pytest.mark.parametrize("seed", range(3))
def test_pauses_seeks_and_moves_lose_nothing_and_repeat_nothing_else(
    reader: Reader, kafka: str, topic: str, seed: int
) -> None:
    """After every step a partition goes on exactly where it stood, or where it was told to."""
    for partition in range(PARTITIONS):
        produce(kafka, topic, partition, numbered(MANY, partition))
    chance, story = random.Random(seed), Story(reader)
    for _ in range(25):
        reader.fetch()
        story.check()
        story.go_on(chance)
    for partition in range(PARTITIONS):
        story.move(partition, story.expected[partition])
    reader.read_to_the_ends()
    assert [reader.offsets(number) for number in range(PARTITIONS)] == [list(range(e, MANY)) for e in story.expected]


class Story:
    """What has to come next of each partition."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.expected = [0] * PARTITIONS
        self._paused: set[int] = set()
        self._read: set[int] = set()
        reader.assign(*self.expected)

    def check(self) -> None:
        for partition, expected in enumerate(self.expected):
            found = self._reader.offsets(partition)
            assert found == list(range(expected, expected + len(found)))
            assert not (found and partition in self._paused)
            if found:
                self._read.add(partition)
            self.expected[partition] += len(found)
            self._reader.rows[partition] = []

    def go_on(self, chance: random.Random) -> None:
        partition, consumer = chance.randrange(PARTITIONS), self._reader.consumer
        match chance.choice(["pause", "resume", "seek", "move", "nothing"]):
            case "pause":
                consumer.pause(self._reader.of(partition))
                self._paused.add(partition)
            case "resume":
                consumer.resume(self._reader.of(partition))
                self._paused.discard(partition)
            case "seek" if partition in self._read:  # before that, message objects cannot
                self.expected[partition] = chance.randrange(MANY)
                consumer.seek(self._reader.of(partition, self.expected[partition])[0])
            case "move":
                self.move(partition, chance.randrange(MANY))

    def move(self, partition: int, offset: int) -> None:
        """Take the partition away, and give it back at another offset."""
        consumer = self._reader.consumer
        consumer.incremental_unassign(self._reader.of(partition))
        consumer.incremental_assign(self._reader.of(partition, offset))
        consumer.resume(self._reader.of(partition))
        self.expected[partition] = offset
        self._paused.discard(partition)
        self._read.discard(partition)


def test_an_offset_that_is_not_there_is_told(reader: Reader) -> None:
    reader.assign(0, 1000, 0)
    reader.read_until(lambda: reader.errors, meaning="the error is told")
    assert reader.errors[0].code() == KafkaError._AUTO_OFFSET_RESET
    assert not any(reader.rows.values())


def test_columns_gather_ahead_while_a_partition_lags_and_ask_only_then_how_far(
    kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hundreds of partitions that live, asking for each at every fetch would cost more than all else."""
    gathered, asked = list[str](), list[bool]()

    class Watched(PartitionQueues):
        def gather(self, timeout_ms: Millis, wanted: Flag) -> list[MessageColumns]:
            gathered.append(threading.current_thread().name)
            return super().gather(timeout_ms, wanted)

        def _lags(self) -> dict[int, int]:
            asked.append(any(map(self._library.queue_length, self._queues.values())))
            return super()._lags()

    monkeypatch.setattr(fetch_client, "PartitionQueues", Watched)
    produce(kafka, topic, 0, numbered(5 * MANY))  # more than are gathered at once
    reader = Reader(kafka, topic, "columns")
    reader.assign(0, 0, 0)
    reader.read_to_the_ends()
    assert any(name.startswith("gathering") for name in gathered)
    reader.fetch()  # waits for what was gathered ahead
    gathered.clear()
    produce(kafka, topic, 1, numbered(5, 1))
    reader.read_until(lambda: reader.rows[1], meaning="what is new is read")
    assert not any(name.startswith("gathering") for name in gathered)
    assert all(asked)
    reader.consumer.close()


def test_columns_refuse_by_name_what_they_cannot_do(kafka: str) -> None:
    with pytest.raises(ValueError, match=r"fetch: columns cannot read headers, so no path may begin with \$header"):
        settings_with(kafka, fetch="columns", user="$header.user", time="at", event="name")
    settings = settings_with(kafka, fetch="columns").model_copy(
        update={"telemetry": TelemetrySettings(carry_traceparent=True)}
    )
    with pytest.raises(ConfigError, match=r"columns cannot read headers, so telemetry.carry_traceparent must be off"):
        detect.member(settings, "reader", SystemClock())


def test_columns_pass_on_the_settings_of_the_client(kafka: str) -> None:
    """The member takes them as they are; the second client by their texts."""
    client = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "socket.keepalive.enable": True}
    client |= {"sasl.username": "somebody", "sasl.password": "secret"}
    consumer, *_ = detect.member(settings_with(kafka, client, fetch="columns"), "reader", SystemClock())
    consumer.close()


def test_what_the_library_does_not_know_is_named(kafka: str) -> None:
    with pytest.raises(
        LibraryUnusable, match=r"kafka.client: no.such.setting cannot be used with source.fetch: columns"
    ):
        Library().new_consumer({"bootstrap.servers": kafka, "no.such.setting": "secret"})


def test_another_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confluent_kafka, "libversion", lambda: ("3.0.0", 0x030000FF))
    with pytest.raises(LibraryUnusable, match=r"not with 3\.0\.0"):
        Library()
    monkeypatch.setattr(confluent_kafka, "libversion", lambda: ("2.99.0", 0x026300FF))
    with pytest.raises(LibraryUnusable, match=r"this installation has another\. Use `fetch: messages`"):
        Library()


def test_without_numba_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, kafka: str) -> None:
    monkeypatch.delitem(sys.modules, "consumer.kafka.columns.column_consumer", raising=False)
    monkeypatch.delitem(sys.modules, "consumer.kafka.columns.fetch_client", raising=False)
    monkeypatch.delitem(sys.modules, "consumer.kafka.columns.gathering", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ConfigError, match=r"source.fetch: columns needs numba: pip install 'lapse\[columns\]'"):
        detect.member(settings_with(kafka, fetch="columns"), "reader", SystemClock())
