"""A topic that no longer holds what is asked for: empty, past its retention, or compacted."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.clock import DAY, SystemClock
from consumer.ledger.store import Ledger
from tests.broker.topics import FreshTopics
from tests.cli.conftest import Lapse, write
from tests.cli.test_backtest import SOURCE, configuration

Commands = Callable[[str], tuple[str, str]]


@pytest.fixture
def told(lapse_here: Lapse, tmp_path: Path, kafka: str) -> Commands:
    """Return a function that gives what backtest and explain say of a topic's last thirty days."""

    def run(topic: str) -> tuple[str, str]:
        write(tmp_path, configuration(kafka={"bootstrap_servers": kafka}, source={**SOURCE, "topic": topic}))
        backtest = lapse_here("backtest", "--since", "30d")
        explain = lapse_here("explain", "ann", "--since", "30d")
        return " ".join((backtest.stdout + backtest.stderr).split()), " ".join(explain.stdout.split())

    return run


def send(kafka: str, topic: str, *days_ago: int) -> None:
    """Write an activity of Ann's to each partition for each of these days."""
    producer, now = Producer({"bootstrap.servers": kafka}), SystemClock().now()
    for days in days_ago:
        for partition in range(2):
            at = now - days * DAY
            value = json.dumps({"user": {"id": "ann"}, "ts": at, "type": "viewed"}).encode()
            producer.produce(topic, value, f"{days}", partition, timestamp=at)
    assert producer.flush(30) == 0


def delete(kafka: str, topic: str, count: int) -> None:
    """Delete the first records of each partition, as retention does."""
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.delete_records([TopicPartition(topic, number, count) for number in range(2)]).values():
        future.result()


def test_an_empty_topic(told: Commands, topics: FreshTopics) -> None:
    topic = topics(2, about="activity")
    for text in told(topic):
        assert f"{topic} is empty: nothing was written to it yet. Is it the right one" in text


def test_all_is_past_its_retention(told: Commands, kafka: str, topics: FreshTopics) -> None:
    topic = topics(2, about="activity")
    send(kafka, topic, 20, 10)
    delete(kafka, topic, 2)
    for text in told(topic):
        assert f"{topic} is empty: what was written to it is past the topic's retention" in text


def test_only_the_end_is_left(told: Commands, kafka: str, topics: FreshTopics) -> None:
    topic = topics(2, about="activity")
    send(kafka, topic, 40, 20, 10)
    delete(kafka, topic, 1)
    for text in told(topic):
        assert f"{topic} no longer holds everything of before " in text
        assert "compacted" not in text


def test_a_compacted_topic(told: Commands, kafka: str, topics: FreshTopics) -> None:
    topic = topics(2, about="activity", config={"cleanup.policy": "compact"})
    send(kafka, topic, 20, 10)
    for text in told(topic):
        assert f"{topic} is compacted (cleanup.policy): of each key only the latest records are sure to be left" in text
        assert "no longer holds" not in text


def test_the_report_says_what_the_ledger_no_longer_knows(lapse_here: Lapse, tmp_path: Path) -> None:
    write(tmp_path, configuration())
    with closing(Ledger(f"sqlite:///{tmp_path}/lapse.db")):
        pass
    text = " ".join(lapse_here("report", "--since", "400d").stdout.split())
    assert "no reminders were requested in this time" in text
    assert "Funnel, failures and delays are not known of reminders that ended before 20" in text
    assert "(ledger.keep)" in text
    assert "ledger.keep" not in lapse_here("report", "--since", "1d").stdout
