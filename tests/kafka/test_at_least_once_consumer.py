"""A feed hands over everything at least once, in order, and forgets nothing for any reason."""

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
from consumer.records import Received
from tests.broker.broker import Broker
from tests.broker.topics import FreshTopics, fresh_name

from .reading import WAIT, Handed, Running, Setup, letters


@pytest.fixture
def setup(kafka: str, topics: FreshTopics) -> Setup:
    return Setup(bootstrap=kafka, topic=topics(1), dead_letters=topics(1), group=fresh_name("group"))


def write(setup: Setup, *values: bytes | None, settings: Mapping[str, object] | None = None) -> None:
    producer = Producer({"bootstrap.servers": setup.bootstrap, "log_level": 0, **(settings or {})})
    for value in values:
        producer.produce(setup.topic, value, b"key")
    assert producer.flush(WAIT) == 0


def dead_letters(setup: Setup, count: int) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
    consumer = Consumer({"bootstrap.servers": setup.bootstrap, "group.id": "reader"})
    consumer.assign([TopicPartition(setup.dead_letters, 0, 0)])
    found = consumer.consume(count, WAIT)
    consumer.close()
    return [(m.key(), m.value(), dict(m.headers() or [])) for m in found]  # type: ignore[arg-type]


def test_records_are_handed_over_decoded_and_in_order_and_a_null_value_is_none(setup: Setup) -> None:
    write(setup, b"one", None, b"three")
    with setup.running(handed := Handed()):
        handed.wait_for("one", None, "three")
    assert handed.values() == ["one", None, "three"]
    assert handed.records[2] == Received(topic=setup.topic, partition=0, offset=2, key=b"key", value="three")
    assert setup.committed() == 3


def test_a_bad_record_in_the_middle_goes_to_the_dead_letters_and_nothing_else_is_lost(setup: Setup) -> None:
    write(setup, b"one", b"\x00\xff", b"three")
    with setup.running(handed := Handed()):
        handed.wait_for("one", "three")
    assert handed.values() == ["one", "three"]
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
    assert setup.spoiled.labels(setup.topic, "no_letter")._value.get() == 1


def test_a_restart_continues_where_the_last_one_committed(setup: Setup) -> None:
    write(setup, b"one", b"two")
    with setup.running(first := Handed()):
        first.wait_for("one", "two")
    write(setup, b"three")
    with setup.running(second := Handed()):
        second.wait_for("three")
    assert second.values() == ["three"]


def test_what_the_handler_did_not_take_is_handed_over_again(setup: Setup) -> None:
    def clumsy(batch: Sequence[Received[str]]) -> None:
        raise ValueError("dropped")

    write(setup, b"one", b"\x00")
    with pytest.raises(ValueError, match="dropped"), setup.running(Handed(), clumsy) as running:
        running.broke_with()
    assert setup.committed() < 0
    with setup.running(handed := Handed()):
        handed.wait_for("one")
    assert len(dead_letters(setup, 1)) == 1
    assert setup.committed() == 2


def test_a_registry_that_does_not_answer_makes_it_wait_and_spoils_nothing(setup: Setup) -> None:
    asked: list[bytes] = []

    def decode(data: bytes) -> str:
        asked.append(data)
        if len(asked) == 2:
            raise RegistryUnavailable("nobody answers")
        return letters(data)

    write(setup, b"one", b"two")
    with structlog.testing.capture_logs() as said, setup.but(decode=decode).running(handed := Handed()):
        handed.wait_for("one", "two")
    assert handed.values() == ["one", "two"]
    assert [line["event"] for line in said] == ["registry_unavailable", "feed_goes_on"]
    assert [metric.samples for metric in setup.spoiled.collect()] == [[]]


def test_an_aborted_transaction_is_not_handed_over_and_its_end_is_told(setup: Setup) -> None:
    write(setup, b"one")
    producer = Producer({"bootstrap.servers": setup.bootstrap, "transactional.id": setup.group})
    producer.init_transactions(WAIT)
    producer.begin_transaction()
    producer.produce(setup.topic, b"never")
    producer.flush(WAIT)
    producer.abort_transaction(WAIT)
    with setup.running(handed := Handed()):
        handed.wait(lambda handed: handed.ends == {0: 3})  # one, never, and the marker of the abort
    assert handed.values() == ["one"]


def test_an_end_that_the_handler_knows_of_is_not_told_to_it(setup: Setup) -> None:
    write(setup, b"one")
    with setup.running(handed := Handed()):
        handed.wait_for("one")
        write(setup, b"\x00")
        handed.wait(lambda handed: bool(handed.ends))
    assert handed.ends == {0: 2}, "only the end behind the bad record"


def test_a_dead_letter_that_nobody_takes_stops_the_feed_and_commits_nothing(setup: Setup) -> None:
    write(setup, b"\x00")
    lost = setup.but(dead_letters="nowhere", client={"topic.metadata.propagation.max.ms": 100})
    with pytest.raises(Refused, match="nowhere is not there"), lost.running(Handed()) as running:
        running.broke_with()
    assert setup.committed() < 0


def test_a_topic_that_is_not_there_is_a_clear_error(setup: Setup) -> None:
    class Hasty(SystemClock):
        def monotonic(self) -> Millis:
            return super().monotonic() * 1_000 * SECOND

    nowhere = setup.but(topic="nowhere", clock=Hasty())
    with pytest.raises(TopicAbsent, match="the topic nowhere is not there"), nowhere.running(Handed()) as running:
        running.broke_with()


def test_a_topic_that_appears_a_moment_later_is_read(setup: Setup, topics: FreshTopics) -> None:
    late = setup.but(topic=fresh_name("late"), client={"topic.metadata.refresh.interval.ms": 500})
    with structlog.testing.capture_logs() as said, late.running(handed := Handed()):
        _wait_for(said, "kafka_trouble")
        topics.create(late.topic, 1)
        write(late, b"one")
        handed.wait_for("one")


def test_a_second_process_with_the_same_name_takes_the_place_of_the_first(setup: Setup) -> None:
    write(setup, b"one")
    running = setup.running(first := Handed())
    with pytest.raises(Fenced, match=r"Give each its own kafka\.instance"), running:
        replaced_by_another(setup, running, first)


def replaced_by_another(setup: Setup, older: Running, first: Handed) -> None:
    first.wait_for("one")
    with setup.running(second := Handed()):
        assert older.broke_with() is not None
        write(setup, b"two")  # (only now: before, either of them might get it)
        second.wait_for("two")
    assert second.values() == ["two"]


def test_two_processes_share_the_partitions_and_lose_nothing(setup: Setup, topics: FreshTopics) -> None:
    both = setup.but(topic=topics(4))
    everything = {f"letter-{n}" for n in range(200)}

    def write_all(names: Sequence[str]) -> None:
        producer = Producer({"bootstrap.servers": setup.bootstrap})
        for name in names:
            producer.produce(both.topic, name.encode(), name.encode())
        assert producer.flush(WAIT) == 0

    ordered = sorted(everything)
    write_all(ordered[:100])
    with both.running(one := Handed()):
        one.wait(lambda handed: len(handed.records) == 100)
        with both.but(instance="two").running(two := Handed()):
            two.wait(lambda handed: bool(handed.ends))
            write_all(ordered[100:])
            one.wait(lambda _: set(one.values()) | set(two.values()) == everything)
            one.wait(lambda _: len(two.records) > 0)
    assert len(one.records) + len(two.records) == 200, "nothing twice in a rebalance without a crash"


def test_a_broker_that_goes_away_is_told_of_once_and_the_feed_goes_on(own_kafka: Broker) -> None:
    fresh = FreshTopics(own_kafka.bootstrap)
    setup = Setup(bootstrap=own_kafka.bootstrap, topic=fresh(1), dead_letters=fresh(1), group="group")
    with structlog.testing.capture_logs() as said, setup.running(handed := Handed()):
        write(setup, b"one")
        handed.wait_for("one")
        own_kafka.kill()
        _wait_for(said, "kafka_trouble")
        own_kafka.start()
        write(setup, b"two")
        handed.wait_for("one", "two")
        _wait_for(said, "kafka_well_again")
    before = [line["error"] for line in takewhile(lambda line: line["event"] != "kafka_well_again", said)]
    assert len(before) == len(set(before)), "each kind of error once"


def test_the_demos_broker_is_read_like_a_real_one() -> None:
    with embedded_broker(["letters", "dead"]) as address:
        setup = Setup(bootstrap=address, topic="letters", dead_letters="dead", group="g", client=QUIET)
        write(setup, b"one", b"\x00", b"two", settings=QUIET)
        with setup.running(handed := Handed()):
            handed.wait_for("one", "two")


def _wait_for(said: Sequence[Mapping[str, object]], event: str) -> None:
    """Until the log has a line of that name."""
    beat, rounds = threading.Event(), 0
    while not any(line["event"] == event for line in list(said)):
        beat.wait(0.05)
        rounds += 1
        assert rounds < WAIT / 0.05, f"no {event} in {said}"
