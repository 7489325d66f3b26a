"""The consumer hands over everything at least once, in order, and skips nothing for any reason."""

import threading
from collections.abc import Mapping, Sequence
from itertools import takewhile

import pytest
import structlog
from confluent_kafka import Consumer, Producer, TopicPartition

from consumer.activity.errors import RegistryUnavailable
from consumer.clock import SECOND, Millis, SystemClock
from consumer.demo.broker import QUIET, embedded_broker
from consumer.kafka.at_least_once_consumer import TopicAbsent
from consumer.kafka.clients.publisher import Refused
from consumer.kafka.clients.transactional_producer import Fenced
from consumer.kafka.dead_letters.isolation import BatchRefused
from consumer.records import Received
from tests.broker.broker import Broker
from tests.broker.topics import FreshTopics, fresh_name
from tests.kafka.consumer_setup import TIMEOUT_S, Collector, ConsumerSetup, RunningConsumer, decode_text


@pytest.fixture
def setup(kafka: str, topics: FreshTopics) -> ConsumerSetup:
    return ConsumerSetup(bootstrap=kafka, topic=topics(1), dead_letters=topics(1), group=fresh_name("group"))


def write(setup: ConsumerSetup, *values: bytes | None, settings: Mapping[str, object] | None = None) -> None:
    producer = Producer({"bootstrap.servers": setup.bootstrap, "log_level": 0, **(settings or {})})
    for value in values:
        producer.produce(setup.topic, value, b"key")
    assert producer.flush(TIMEOUT_S) == 0


def dead_letters(setup: ConsumerSetup, count: int) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
    consumer = Consumer({"bootstrap.servers": setup.bootstrap, "group.id": "reader"})
    consumer.assign([TopicPartition(setup.dead_letters, 0, 0)])
    found = consumer.consume(count, TIMEOUT_S)
    consumer.close()
    return [(m.key(), m.value(), dict(m.headers() or [])) for m in found]  # type: ignore[arg-type]


def test_hands_records_over_decoded_in_order_with_null_values(setup: ConsumerSetup) -> None:
    write(setup, b"one", None, b"three")
    with setup.running(collector := Collector()):
        collector.wait_for("one", None, "three")
    assert collector.values() == ["one", None, "three"]
    assert collector.records[2] == Received(topic=setup.topic, partition=0, offset=2, key=b"key", value="three")
    assert setup.committed() == 3


def test_hands_over_the_trace_context_of_headers(setup: ConsumerSetup) -> None:
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    producer = Producer({"bootstrap.servers": setup.bootstrap, "log_level": 0})
    records: list[list[tuple[str, str | bytes | None]]] = [
        [("traceparent", trace)],
        [],
        [("traceparent", b"mine"), ("other", None)],
    ]
    for number, headers in enumerate(records):
        producer.produce(setup.topic, b"r%d" % number, b"key", headers=headers)
    assert producer.flush(TIMEOUT_S) == 0
    with setup.running(collector := Collector()):
        collector.wait_for("r0", "r1", "r2")
    assert [received.traceparent for received in collector.records] == [trace.decode(), None, None]


def test_bad_record_becomes_a_dead_letter_and_others_are_handed_over(setup: ConsumerSetup) -> None:
    write(setup, b"one", b"\x00\xff", b"three")
    with setup.running(collector := Collector()):
        collector.wait_for("one", "three")
    assert collector.values() == ["one", "three"]
    [(key, value, headers)] = dead_letters(setup, 1)
    assert (key, value) == (b"key", b"\x00\xff")
    assert headers == {
        "topic": setup.topic.encode(),
        "partition": b"0",
        "offset": b"1",
        "reason": b"no_letter",
        "error": b"it does not begin with a letter",
    }
    assert setup.committed() == 3
    assert setup.rejected.labels(setup.topic, "no_letter")._value.get() == 1


def test_record_that_the_handler_refuses_becomes_a_dead_letter_and_others_are_handed_over(
    setup: ConsumerSetup,
) -> None:
    class Refusing(Collector):
        def handle(self, batch: Sequence[Received[str]]) -> None:
            if any(record.value == "poison" for record in batch):
                raise BatchRefused("DataError")
            super().handle(batch)

    write(setup, b"one", b"two", b"poison", b"four", b"five")
    with setup.running(collector := Refusing()):
        collector.wait_for("one", "two", "four", "five")
    assert collector.values() == ["one", "two", "four", "five"]
    [(key, value, headers)] = dead_letters(setup, 1)
    assert (key, value, headers["reason"]) == (b"key", b"poison", b"not_storable")
    assert setup.committed() == 5


def test_restart_continues_at_the_committed_offset(setup: ConsumerSetup) -> None:
    write(setup, b"one", b"two")
    with setup.running(first := Collector()):
        first.wait_for("one", "two")
    write(setup, b"three")
    with setup.running(second := Collector()):
        second.wait_for("three")
    assert second.values() == ["three"]


def test_batch_of_a_failed_handler_is_handed_over_again(setup: ConsumerSetup) -> None:
    def fail(batch: Sequence[Received[str]]) -> None:
        raise ValueError("dropped")

    write(setup, b"one", b"\x00")
    with pytest.raises(ValueError, match="dropped"), setup.running(Collector(), fail) as running:
        running.failure()
    assert setup.committed() < 0
    with setup.running(collector := Collector()):
        collector.wait_for("one")
    assert len(dead_letters(setup, 1)) == 1
    assert setup.committed() == 2


def test_unavailable_registry_is_waited_for_and_rejects_nothing(setup: ConsumerSetup) -> None:
    decoded: list[bytes] = []

    def decode(data: bytes) -> str:
        decoded.append(data)
        if len(decoded) == 2:
            raise RegistryUnavailable("nobody answers")
        return decode_text(data)

    write(setup, b"one", b"two")
    with structlog.testing.capture_logs() as logged, setup.but(decode=decode).running(collector := Collector()):
        collector.wait_for("one", "two")
    assert collector.values() == ["one", "two"]
    assert [line["event"] for line in logged] == ["registry_unavailable", "consumer_recovered"]
    assert [metric.samples for metric in setup.rejected.collect()] == [[]]


def test_aborted_transaction_is_skipped_and_its_end_reported(setup: ConsumerSetup) -> None:
    write(setup, b"one")
    producer = Producer({"bootstrap.servers": setup.bootstrap, "transactional.id": setup.group})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce(setup.topic, b"never")
    producer.flush(TIMEOUT_S)
    producer.abort_transaction(TIMEOUT_S)
    with setup.running(collector := Collector()):
        collector.wait_until(lambda collector: collector.positions == {0: 3})  # one, never, and the marker of the abort
    assert collector.values() == ["one"]


def test_position_that_the_handler_knows_is_not_reported(setup: ConsumerSetup) -> None:
    write(setup, b"one")
    with setup.running(collector := Collector()):
        collector.wait_for("one")
        write(setup, b"\x00")
        collector.wait_until(lambda collector: bool(collector.positions))
    assert collector.positions == {0: 2}, "only the end behind the bad record"


def test_refused_dead_letter_stops_the_consumer_without_a_commit(setup: ConsumerSetup) -> None:
    write(setup, b"\x00")
    lost = setup.but(dead_letters="nowhere", client={"topic.metadata.propagation.max.ms": 100})
    with pytest.raises(Refused, match="nowhere is not there"), lost.running(Collector()) as running:
        running.failure()
    assert setup.committed() < 0


def test_absent_topic_raises(setup: ConsumerSetup) -> None:
    class Hasty(SystemClock):
        def monotonic(self) -> Millis:
            return super().monotonic() * 1_000 * SECOND

    nowhere = setup.but(topic="nowhere", clock=Hasty())
    with pytest.raises(TopicAbsent, match="the topic nowhere is not there"), nowhere.running(Collector()) as running:
        running.failure()


def test_topic_that_is_created_later_is_read(setup: ConsumerSetup, topics: FreshTopics) -> None:
    late = setup.but(topic=fresh_name("late"), client={"topic.metadata.refresh.interval.ms": 500})
    with structlog.testing.capture_logs() as logged, late.running(collector := Collector()):
        _wait_for_event(logged, "kafka_client_error")
        topics.create(late.topic, 1)
        write(late, b"one")
        collector.wait_for("one")


def test_second_process_of_one_instance_fences_the_first(setup: ConsumerSetup) -> None:
    write(setup, b"one")
    running = setup.running(first := Collector())
    with pytest.raises(Fenced, match=r"Give each its own kafka\.instance"), running:
        replaced_by_another(setup, running, first)


def replaced_by_another(setup: ConsumerSetup, older: RunningConsumer, first: Collector) -> None:
    first.wait_for("one")
    with setup.running(second := Collector()):
        assert older.failure() is not None
        write(setup, b"two")  # (only now: before, either of them might get it)
        second.wait_for("two")
    assert second.values() == ["two"]


def test_two_members_share_the_partitions_and_lose_nothing(setup: ConsumerSetup, topics: FreshTopics) -> None:
    both = setup.but(topic=topics(4))
    everything = {f"letter-{n}" for n in range(200)}

    def write_all(names: Sequence[str]) -> None:
        producer = Producer({"bootstrap.servers": setup.bootstrap})
        for name in names:
            producer.produce(both.topic, name.encode(), name.encode())
        assert producer.flush(TIMEOUT_S) == 0

    ordered = sorted(everything)
    write_all(ordered[:100])
    with both.running(one := Collector()):
        one.wait_until(lambda collector: len(collector.records) == 100)
        with both.but(instance="two").running(two := Collector()):
            two.wait_until(lambda collector: bool(collector.positions))
            write_all(ordered[100:])
            one.wait_until(lambda _: set(one.values()) | set(two.values()) == everything)
            one.wait_until(lambda _: len(two.records) > 0)
    assert len(one.records) + len(two.records) == 200, "nothing twice in a rebalance without a crash"


def test_broker_outage_is_logged_once_and_survived(own_kafka: Broker) -> None:
    fresh = FreshTopics(own_kafka.bootstrap)
    setup = ConsumerSetup(bootstrap=own_kafka.bootstrap, topic=fresh(1), dead_letters=fresh(1), group="group")
    with structlog.testing.capture_logs() as logged, setup.running(collector := Collector()):
        write(setup, b"one")
        collector.wait_for("one")
        own_kafka.kill()
        _wait_for_event(logged, "kafka_client_error")
        own_kafka.start()
        write(setup, b"two")
        collector.wait_for("one", "two")
        _wait_for_event(logged, "kafka_client_recovered")
    before = [line["error"] for line in takewhile(lambda line: line["event"] != "kafka_client_recovered", logged)]
    assert len(before) == len(set(before)), "each kind of error once"


@pytest.mark.slow
def test_mock_broker_of_the_demo_is_read_like_a_real_one() -> None:
    with embedded_broker(["letters", "dead"]) as address:
        setup = ConsumerSetup(bootstrap=address, topic="letters", dead_letters="dead", group="g", client=QUIET)
        write(setup, b"one", b"\x00", b"two", settings=QUIET)
        with setup.running(collector := Collector()):
            collector.wait_for("one", "two")


def _wait_for_event(logged: Sequence[Mapping[str, object]], event: str) -> None:
    """Wait until the log has a line with this event."""
    beat, rounds = threading.Event(), 0
    while not any(line["event"] == event for line in list(logged)):
        beat.wait(0.05)
        rounds += 1
        assert rounds < TIMEOUT_S / 0.05, f"no {event} in {logged}"
