"""A client that is cut off for good is told from one that waits for its broker like every other."""

import pytest
from confluent_kafka import Producer

from consumer.clock import SECOND, ManualClock
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.connection_watchdog import ConnectionWatchdog, CutOff
from tests.broker.broker import Broker, free_ports
from tests.broker.topics import FreshTopics


def client(bootstrap: str) -> Producer:
    return Producer({"bootstrap.servers": bootstrap, "log_level": 0})


def cut_off_client() -> Producer:
    """It knows only an address at which nobody listens."""
    return client(f"127.0.0.1:{free_ports(1)[0]}")


def watchdog(client: Producer, bootstrap: str, clock: ManualClock, topic: str = "any") -> ConnectionWatchdog:
    return ConnectionWatchdog(client, KafkaSettings(bootstrap_servers=bootstrap), topic, clock)


def miss_answers(watchdog: ConnectionWatchdog, clock: ManualClock, seconds: int, every: int = 2) -> None:
    for _ in range(0, seconds, every):
        watchdog.report_no_answer()
        clock.advance(every * SECOND)


def test_client_without_answers_for_half_a_minute_is_cut_off(kafka: str, topics: FreshTopics) -> None:
    clock = ManualClock()
    watched = watchdog(cut_off_client(), kafka, clock, topics(1))
    miss_answers(watched, clock, 30)
    with pytest.raises(CutOff, match="a restart goes on from the last commit"):
        watched.report_no_answer()


def test_an_answer_in_between_starts_the_half_minute_again(kafka: str, topics: FreshTopics) -> None:
    clock = ManualClock()
    watched = watchdog(cut_off_client(), kafka, clock, topics(1))
    miss_answers(watched, clock, 28)
    clock.advance(11 * SECOND)
    miss_answers(watched, clock, 30)


def test_client_that_is_answered_now_is_not_cut_off(kafka: str, topics: FreshTopics) -> None:
    clock = ManualClock()
    watched = watchdog(client(kafka), kafka, clock, topics(1))
    miss_answers(watched, clock, 120)


def test_nobody_is_cut_off_while_the_broker_answers_nobody(pausable_kafka: Broker) -> None:
    clock = ManualClock()
    watched = watchdog(client(pausable_kafka.bootstrap), pausable_kafka.bootstrap, clock)
    pausable_kafka.pause()
    miss_answers(watched, clock, 40)
    pausable_kafka.resume()
