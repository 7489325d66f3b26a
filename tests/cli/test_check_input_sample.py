"""`lapse check` on the newest records of the input topic: readable, and each user in one partition."""

import json

import pytest

from consumer.activity.schemas.avro_schema import parse, single_object_header
from consumer.clock import HOUR, SystemClock
from consumer.commands.check.data import check_data
from consumer.commands.check.input_sample import check_partitioning
from consumer.config.sections.kafka import KafkaSettings
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.source import SourceSettings
from consumer.config.settings import Settings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import Publisher
from consumer.wiring.shared import Shared
from tests.activity.writing import FIELDS, body, process, record
from tests.activity.writing import event as activity
from tests.broker.topics import FreshTopics

NOW = SystemClock().now()
FIELDS_OF_USER = [{"name": "user", "type": "string"}, {"name": "at", "type": "long"}]
PROCESSES: dict[str, ProcessSettings] = {"checkout": process(active_on=("viewed",))}


class Topic:
    """An input topic with events of a platform's own."""

    def __init__(self, kafka: str, name: str) -> None:
        self.name = name
        self._kafka = KafkaSettings(bootstrap_servers=kafka)
        self.source = SourceSettings(topic=name, format="json", user="user", time="at", event="name")

    def has(self, *records: tuple[int, bytes]) -> "Topic":
        publisher = Publisher(self._kafka, SystemClock(), name="platform")
        publisher.publish([Output(self.name, partition, b"", value) for partition, value in records])
        publisher.close()
        return self

    def told(self) -> list[str]:
        """Return the lines about records, times and users."""
        settings = Settings(kafka=self._kafka, source=self.source, processes=PROCESSES)
        lines = [str(line) for line in check_data(Shared(settings))]
        return [line for line in lines if line[2:].startswith(("records of", "times of", "users of"))]


@pytest.fixture
def topic(kafka: str, topics: FreshTopics) -> Topic:
    return Topic(kafka, topics(2, about="activity"))


def event(user: str, name: str = "viewed") -> bytes:
    return json.dumps({"user": user, "at": NOW, "name": name}).encode()


def test_empty_topic_is_ok(topic: Topic) -> None:
    assert topic.told() == [
        f"✓ records of {topic.name}: none yet",
        f"✓ users of {topic.name}: each of the newest 0 is in one partition",
    ]


def test_users_in_one_partition_are_ok(topic: Topic) -> None:
    topic.has((0, event("ann")), (1, event("bob")), (0, event("ann")), (0, event("eve", "something else")))
    assert topic.told() == [
        f"✓ records of {topic.name}: the newest can be read",
        f"✓ users of {topic.name}: each of the newest 2 is in one partition",
    ]


def test_user_in_two_partitions_is_counted_not_named(topic: Topic) -> None:
    _, line = topic.has((0, event("ann")), (1, event("ann")), (1, event("bob"))).told()
    assert line.startswith(f"✗ users of {topic.name}: 1 of the newest 2 are in several partitions")
    assert "the same partitioner" in line
    assert "ann" not in line


def test_unreadable_records_are_reported(topic: Topic) -> None:
    line, _ = topic.has((0, event("ann")), (1, b"Maria's secret"), (1, b"another")).told()
    assert line.startswith(
        f"✗ records of {topic.name}: 2 of the newest records would go to the dead letters, most of them as unreadable:"
    )
    assert "Maria" not in line


def test_few_unreadable_records_are_no_failure(topic: Topic) -> None:
    line, _ = topic.has(*[(0, event("ann"))] * 99, (0, b"{")).told()
    assert line.startswith(f"✓ records of {topic.name}: 1 of the newest records would go to the dead letters")


def test_mapping_that_matches_no_event_is_reported(topic: Topic) -> None:
    line, _ = topic.has((0, event("ann", "Viewed")), (1, event("bob", "seen"))).told()
    assert "none of the newest 2 concerns a process" in line


def test_sample_is_limited_to_the_newest(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    topic.has((0, event("ann")), *[(n % 2, event(f"user-{n % 2}")) for n in range(40)], (1, event("ann")))
    monkeypatch.setattr("consumer.commands.check.data.MAX_RECORDS", 20)
    assert topic.told()[1].startswith("✓")


def test_sample_covers_every_partition() -> None:
    assert check_partitioning("t", {0: {"a", "b"}, 1: {"a", "b"}, 2: {"a"}}).advice.startswith("2 of the newest 2 are")


def test_times_of_a_forgotten_zone_are_told_with_how_far_they_are_apart(topic: Topic) -> None:
    west = json.dumps({"user": "ann", "at": SystemClock().now() - 5 * HOUR, "name": "viewed"}).encode()
    topic.has((0, west), (0, west), (0, event("ann")))
    [line] = [line for line in topic.told() if line.startswith("✗ times of")]
    assert "2 of the newest 3 events have times further from their records' than detect.clock_doubt" in line
    assert "5h before them" in line


def test_events_whose_schema_contains_itself_are_sampled_as_others_are(kafka: str, topics: FreshTopics) -> None:
    """Where somebody came from is an event of the same type, as deep as they please."""
    writer = record({**FIELDS, "cause": ["null", "Event"]})
    value = single_object_header(writer) + body(record(FIELDS), activity()) + b"\x00"
    name = topics(1, about="activity")
    topic = Topic(kafka, name).has((0, value))
    topic.source = SourceSettings(topic=name)
    settings = Settings(kafka=topic._kafka, source=topic.source, processes={"checkout": process()})
    shared = Shared(settings)
    shared.writers.learn([writer])
    lines = [str(line) for line in check_data(shared)]
    assert f"✓ records of {name}: the newest can be read" in lines
    assert "✓ kinds: STARTED 1" in lines
    assert any(line.startswith("✓ processes seen: checkout 1") for line in lines)


def test_names_of_records_are_told_as_they_are_configured(kafka: str, topics: FreshTopics) -> None:
    """The topic has records of several types, one of them configured with its namespace."""
    name = topics(1, about="activity")
    kinds = [{"type": "record", "name": f"shop.{kind}", "fields": FIELDS_OF_USER} for kind in ("Viewed", "Paid")]
    writer = parse(json.dumps(kinds))
    topic = Topic(kafka, name).has(
        *(
            (0, single_object_header(writer) + branch + b"\x06ann" + b"\x80\xe0\x9c\xd2\x98\x68")
            for branch in (b"\x00", b"\x02")
        )
    )
    source = SourceSettings(topic=name, user="user", time="at", event="$record")
    processes = {"checkout": process(active_on=("Viewed",), complete_on=("shop.Paid",))}
    shared = Shared(Settings(kafka=topic._kafka, source=source, processes=processes))
    shared.writers.learn([writer])
    lines = [str(line) for line in check_data(shared)]
    assert "✓ events seen: Viewed 1 (goes on with checkout), shop.Paid 1 (completes checkout)" in lines
