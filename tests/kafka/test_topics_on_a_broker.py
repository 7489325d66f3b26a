"""Topics are created as required, inspected as they are, and refused where Lapse would go wrong."""

import pytest
from confluent_kafka.admin import AdminClient

from consumer.config.sections.kafka import TopicSettings
from consumer.demo.broker import embedded_broker
from consumer.kafka.clients.topics import Matching, TopicsRefused, compare, create, inspect, prepare, required_topics
from tests.broker.topics import FreshTopics, fresh_name


@pytest.fixture
def admin(kafka: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka})


@pytest.fixture
def names() -> TopicSettings:
    about = ("contacts", "reminders", "delivery_status", "opt_outs", "dead_letters", "state")
    return TopicSettings.model_validate({name: fresh_name(name) for name in about})


def start(admin: AdminClient, names: TopicSettings, source: str) -> int:
    assert names.state is not None
    return prepare(admin, names, names.state, source)


def test_missing_topics_are_created_as_required(admin: AdminClient, names: TopicSettings, topics: FreshTopics) -> None:
    source = topics(partitions=3)
    assert start(admin, names, source) == 3
    required = required_topics(names, names.state or "", source, 3)
    found = inspect(admin, [topic.name for topic in required])
    assert compare(required, found) == [Matching(topic) for topic in required]
    assert {there.partitions for there in found.values()} == {3}


def test_existing_topics_are_left_as_they_are(admin: AdminClient, names: TopicSettings, topics: FreshTopics) -> None:
    source = topics(partitions=2)
    start(admin, names, source)
    before = inspect(admin, [names.contacts])
    create(admin, required_topics(names, names.state or "", source, 2))
    assert start(admin, names, source) == 2
    assert inspect(admin, [names.contacts]) == before


def test_missing_input_is_refused_and_not_created(admin: AdminClient, names: TopicSettings) -> None:
    with pytest.raises(TopicsRefused, match="the input topic nowhere is not there"):
        start(admin, names, "nowhere")
    assert inspect(admin, [names.contacts]) == {}


def test_missing_topics_are_named_when_we_may_not_create_them(
    admin: AdminClient, names: TopicSettings, topics: FreshTopics
) -> None:
    forbidden = names.model_copy(update={"create": False})
    with pytest.raises(TopicsRefused) as refused:
        start(admin, forbidden, topics(partitions=2))
    assert len(refused.value.problems) == 6
    assert f"{names.state} is not there" in refused.value.problems[-1]
    assert "create it with 2 partitions, cleanup.policy=compact" in refused.value.problems[-1]


def test_wrong_state_topic_is_refused(admin: AdminClient, names: TopicSettings, topics: FreshTopics) -> None:
    topics.create(names.state or "", 5, config={"cleanup.policy": "delete"})
    with pytest.raises(TopicsRefused) as refused:
        start(admin, names, topics(partitions=4))
    partitions, policy = refused.value.problems
    assert "has 5 partitions" in partitions
    assert "cleanup.policy=delete" in policy


def test_refusal_to_create_gives_the_brokers_reason(
    admin: AdminClient, names: TopicSettings, topics: FreshTopics
) -> None:
    crowded = names.model_copy(update={"replication": 7})
    with pytest.raises(TopicsRefused, match=rf"{names.contacts} cannot be created: .*replication"):
        start(admin, crowded, topics(partitions=1))


def test_mock_broker_of_the_demo_is_accepted() -> None:
    names = TopicSettings(create=False, state="lapse-demo-state")
    everything = ["user-activity", *(topic.name for topic in required_topics(names, "lapse-demo-state", "", 4))]
    with embedded_broker(everything) as address:
        client = AdminClient({"bootstrap.servers": address, "log_level": 2, "log.connection.close": False})
        assert prepare(client, names, "lapse-demo-state", "user-activity") == 4
