"""A client that is cut off for good is told from one that waits for its broker like everybody else."""

import pytest
from confluent_kafka import Producer

from consumer.clock import SECOND, ManualClock
from consumer.config.settings import KafkaSettings
from consumer.kafka.clients.connection_watchdog import ConnectionWatchdog, CutOff
from tests.broker.broker import Broker, free_ports
from tests.broker.topics import FreshTopics


def producer(bootstrap: str) -> Producer:
    return Producer({"bootstrap.servers": bootstrap, "log_level": 0})


def lost() -> Producer:
    """It knows only an address where nobody is."""
    return producer(f"127.0.0.1:{free_ports(1)[0]}")


def contact(client: Producer, bootstrap: str, clock: ManualClock, topic: str = "any") -> ConnectionWatchdog:
    return ConnectionWatchdog(client, KafkaSettings(bootstrap_servers=bootstrap), topic, clock)


def misses(contact: ConnectionWatchdog, clock: ManualClock, seconds: int, every: int = 2) -> None:
    for _ in range(0, seconds, every):
        contact.report_no_answer()
        clock.advance(every * SECOND)


def test_who_alone_finds_no_broker_for_half_a_minute_is_cut_off(kafka: str, topics: FreshTopics) -> None:
    clock = ManualClock()
    alone = contact(lost(), kafka, clock, topics(1))
    misses(alone, clock, 30)
    with pytest.raises(CutOff, match="a restart goes on from the last commit"):
        alone.report_no_answer()


def test_who_was_answered_in_between_is_not(kafka: str, topics: FreshTopics) -> None:
    clock = ManualClock()
    sometimes = contact(lost(), kafka, clock, topics(1))
    misses(sometimes, clock, 28)
    clock.advance(11 * SECOND)
    misses(sometimes, clock, 30)


def test_who_is_answered_when_it_asks_is_not(kafka: str, topics: FreshTopics) -> None:
    clock = ManualClock()
    well = contact(producer(kafka), kafka, clock, topics(1))
    misses(well, clock, 120)


def test_who_waits_like_everybody_else_is_not(pausable_kafka: Broker) -> None:
    clock = ManualClock()
    waiting = contact(producer(pausable_kafka.bootstrap), pausable_kafka.bootstrap, clock)
    pausable_kafka.pause()
    misses(waiting, clock, 40)
    pausable_kafka.resume()
