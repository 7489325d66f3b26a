"""Traffic on a broker: contacts and activities as a company's platform would write them."""

import threading
import time
from collections import defaultdict

import pytest

from consumer.activity.record_codec import RecordCodec
from consumer.clock import SystemClock
from consumer.demo.background import under_way
from consumer.demo.people import people
from consumer.demo.traffic import Traffic, TrafficFailed
from consumer.records import ActivityKind, Contact, UserActivity
from tests.demo.reading import everything

CROWD = people(200, seed=3, now=1_700_000_000_000)


def traffic(address: str, codec: RecordCodec, topic: str) -> Traffic:
    return Traffic(
        address, codec, SystemClock(), CROWD, seed=3, activity_topic=topic, contacts_topic=f"{topic}-contacts"
    )


def play(running: Traffic, activities: int) -> None:
    with under_way("traffic", running.run) as task:
        deadline = time.monotonic() + 30
        while running.activities < activities:
            assert time.monotonic() < deadline
            assert not task.broke_off
            time.sleep(0.02)


def test_contacts_come_once_and_activities_under_their_users_keys(broker: str, codec: RecordCodec) -> None:
    running = traffic(broker, codec, "busy")
    play(running, 60)

    contacts = [codec.decode(Contact, m.value() or b"") for m in everything(broker, "busy-contacts")]
    assert sorted(contacts, key=lambda c: c.user_id) == [person.contact for person in CROWD]
    found = everything(broker, "busy")
    activities = [codec.decode(UserActivity, m.value() or b"") for m in found]
    assert len(activities) == running.activities >= 60
    assert [m.key() for m in found] == [activity.user_id.encode() for activity in activities]
    partitions = defaultdict(set)
    for message in found:
        partitions[message.key()].add(message.partition())
    assert all(len(numbers) == 1 for numbers in partitions.values()), "all of a user's events are in one partition"


def test_when_it_is_told_to_end_those_who_are_busy_finish(broker: str, codec: RecordCodec) -> None:
    running = traffic(broker, codec, "ending")
    play(running, 30)

    latest: dict[str, UserActivity] = {}
    for message in everything(broker, "ending"):
        activity = codec.decode(UserActivity, message.value() or b"")
        latest[activity.user_id] = activity
    assert {activity.kind for activity in latest.values()} <= {ActivityKind.COMPLETED, ActivityKind.CANCELLED}
    assert len(latest) > 10


def test_a_broker_that_is_gone_is_said_to_be_so(codec: RecordCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.demo.traffic._FLUSH_SECONDS", 0.1)
    stop = threading.Event()
    stop.set()
    with pytest.raises(TrafficFailed, match="were not written"):
        traffic("127.0.0.1:1", codec, "nowhere").run(stop)
