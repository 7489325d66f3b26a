"""The producer writes contacts and activities as a company's platform would."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from consumer.activity.record_codec import RecordCodec
from consumer.clock import SECOND, Millis, SystemClock
from consumer.config.sections.kafka import KafkaSettings, TopicSettings
from consumer.config.sections.source import SourceSettings
from consumer.config.settings import Settings
from consumer.demo.activity_producer import ActivityProducer
from consumer.demo.broker import QUIET
from consumer.demo.people import people
from consumer.kafka.clients.publisher import Publisher, PublishFailed
from consumer.records import ActivityKind, Contact, UserActivity
from tests.app.service import eventually
from tests.demo.reading import everything
from tests.demo.test_settings import SETTINGS

CROWD = people(200, seed=3, now=1_700_000_000_000)


@contextmanager
def producing(
    address: str, codec: RecordCodec, topic: str, timeout_ms: Millis = 20 * SECOND
) -> Iterator[ActivityProducer]:
    """Run a producer that writes activities to `topic`; let it finish at the end of the block."""
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers=address, client=dict(QUIET)),
        topics=TopicSettings(contacts=f"{topic}-contacts"),
        source=SourceSettings(topic=topic),
        processes=SETTINGS.processes,
    )
    publisher = Publisher(settings.kafka, SystemClock(), name="test", timeout_ms=timeout_ms)
    producer, stop = ActivityProducer(publisher, settings, codec, SystemClock(), CROWD, 3), threading.Event()
    with closing(publisher), ThreadPoolExecutor(1) as pool:
        running = pool.submit(producer.run, stop)
        try:
            yield producer
        finally:
            stop.set()
        running.result()


def wait_for(producer: ActivityProducer, activities: int) -> None:
    eventually(lambda: producer.activities >= activities, 30, meaning=f"{activities} activities")


@pytest.mark.slow
def test_contacts_come_once_and_activities_under_their_users_keys(broker: str, codec: RecordCodec) -> None:
    with producing(broker, codec, "busy") as producer:
        wait_for(producer, 60)

    contacts = [codec.decode(Contact, m.value() or b"") for m in everything(broker, "busy-contacts")]
    assert sorted(contacts, key=lambda c: c.user_id) == [person.contact for person in CROWD]
    found = everything(broker, "busy")
    activities = [codec.decode(UserActivity, m.value() or b"") for m in found]
    assert len(activities) == producer.activities >= 60
    assert [m.key() for m in found] == [activity.user_id.encode() for activity in activities]
    partitions = defaultdict(set)
    for message in found:
        partitions[message.key()].add(message.partition())
    assert all(len(numbers) == 1 for numbers in partitions.values()), "all of a user's events are in one partition"


@pytest.mark.slow
def test_when_it_is_told_to_end_those_who_are_busy_finish(broker: str, codec: RecordCodec) -> None:
    with producing(broker, codec, "ending") as producer:
        wait_for(producer, 30)

    latest: dict[str, UserActivity] = {}
    for message in everything(broker, "ending"):
        activity = codec.decode(UserActivity, message.value() or b"")
        latest[activity.user_id] = activity
    assert {activity.kind for activity in latest.values()} <= {ActivityKind.COMPLETED, ActivityKind.CANCELLED}
    assert len(latest) > 10


def test_events_that_a_broker_does_not_take_are_a_failure(codec: RecordCodec) -> None:
    with pytest.raises(PublishFailed, match="not acknowledged"), producing("127.0.0.1:1", codec, "nowhere", 100):
        pass
