"""What is said of topics, whatever they look like."""

from collections.abc import Mapping

import pytest

from consumer.config.kafka import TopicSettings
from consumer.kafka.clients.topics import Different, Fine, Missing, RequiredTopic, TopicState, plan, wanted

NEEDED = {topic.name: topic for topic in wanted(TopicSettings(), "lapse-state", "user-activity", 4)}
STATE, REMINDERS = NEEDED["lapse-state"], NEEDED["reminders"]


def as_wanted(topic: RequiredTopic, partitions: int = 4, other: Mapping[str, str] | None = None) -> TopicState:
    return TopicState(partitions=partitions, config={**topic.config, **(other or {})})


def said_of(topic: RequiredTopic, found: TopicState) -> Different:
    [verdict] = plan([topic], {topic.name: found})
    assert isinstance(verdict, Different)
    return verdict


def test_every_topic_of_the_design_but_the_input_is_needed() -> None:
    assert set(NEEDED) == {"contacts", "reminders", "delivery-status", "opt-outs", "dead-letters", "lapse-state"}
    assert NEEDED["contacts"].config["cleanup.policy"] == "compact"
    assert STATE.config["segment.bytes"] == str(64 * 1024 * 1024)


def test_topics_that_are_as_wanted_are_fine() -> None:
    found = {name: as_wanted(topic) for name, topic in NEEDED.items()}
    assert plan(NEEDED.values(), found) == [Fine(topic) for topic in NEEDED.values()]


def test_a_topic_that_is_not_there_is_missing() -> None:
    assert plan([STATE], {}) == [Missing(STATE)]


@pytest.mark.parametrize("topic", [STATE, REMINDERS], ids=lambda topic: topic.name)
def test_topics_that_follow_the_inputs_partitions_must_have_as_many(topic: RequiredTopic) -> None:
    verdict = said_of(topic, as_wanted(topic, partitions=8))
    assert f"{topic.name} has 8 partitions: it must have as many as user-activity (4)" in verdict.refusals[0]


def test_other_topics_may_have_as_many_partitions_as_they_like() -> None:
    status = NEEDED["delivery-status"]
    assert plan([status], {status.name: as_wanted(status, partitions=1)}) == [Fine(status)]


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_state_topic_that_forgets_is_refused(policy: str) -> None:
    verdict = said_of(STATE, as_wanted(STATE, other={"cleanup.policy": policy}))
    assert f"cleanup.policy={policy}, and should have compact" in verdict.refusals[0]


def test_compacted_reminders_are_refused() -> None:
    assert said_of(REMINDERS, as_wanted(REMINDERS, other={"cleanup.policy": "compact"})).refusals


def test_a_setting_that_only_costs_room_is_advice() -> None:
    verdict = said_of(STATE, as_wanted(STATE, other={"segment.bytes": str(2**30)}))
    assert verdict.refusals == ()
    assert "segment.bytes=1073741824" in verdict.advice[0]


@pytest.mark.parametrize("better", [{"retention.ms": "-1"}, {"retention.ms": "999999999999"}])
def test_a_setting_that_is_better_than_wanted_is_fine(better: dict[str, str]) -> None:
    assert plan([REMINDERS], {"reminders": as_wanted(REMINDERS, other=better)}) == [Fine(REMINDERS)]


def test_settings_that_the_broker_hides_are_taken_on_trust_and_partitions_are_not() -> None:
    assert plan([STATE], {"lapse-state": TopicState(partitions=4, config=None)}) == [Fine(STATE)]
    assert said_of(STATE, TopicState(partitions=3, config=None)).refusals
