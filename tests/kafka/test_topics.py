"""Verdicts on topics, whatever they look like."""

from collections.abc import Mapping

import pytest

from consumer.config.sections.kafka import TopicSettings
from consumer.kafka.clients.topics import (
    Different,
    Matching,
    Missing,
    RequiredTopic,
    TopicState,
    compare,
    required_topics,
)

REQUIRED = {topic.name: topic for topic in required_topics(TopicSettings(), "lapse-state", "user-activity", 4)}
STATE, REMINDERS = REQUIRED["lapse-state"], REQUIRED["reminders"]


def as_required(topic: RequiredTopic, partitions: int = 4, other: Mapping[str, str] | None = None) -> TopicState:
    return TopicState(partitions=partitions, config={**topic.config, **(other or {})})


def difference(topic: RequiredTopic, found: TopicState) -> Different:
    [verdict] = compare([topic], {topic.name: found})
    assert isinstance(verdict, Different)
    return verdict


def test_every_topic_but_the_input_is_required() -> None:
    assert set(REQUIRED) == {"contacts", "reminders", "delivery-status", "opt-outs", "dead-letters", "lapse-state"}
    assert REQUIRED["contacts"].config["cleanup.policy"] == "compact"
    assert STATE.config["segment.bytes"] == str(64 * 1024 * 1024)


def test_topics_as_required_match() -> None:
    found = {name: as_required(topic) for name, topic in REQUIRED.items()}
    assert compare(REQUIRED.values(), found) == [Matching(topic) for topic in REQUIRED.values()]


def test_absent_topic_is_missing() -> None:
    assert compare([STATE], {}) == [Missing(STATE)]


@pytest.mark.parametrize("topic", [STATE, REMINDERS], ids=lambda topic: topic.name)
def test_co_partitioned_topics_must_have_as_many_partitions(topic: RequiredTopic) -> None:
    verdict = difference(topic, as_required(topic, partitions=8))
    assert f"{topic.name} has 8 partitions: it must have as many as user-activity (4)" in verdict.refusals[0]


def test_other_topics_may_have_any_number_of_partitions() -> None:
    status = REQUIRED["delivery-status"]
    assert compare([status], {status.name: as_required(status, partitions=1)}) == [Matching(status)]


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_state_topic_that_is_not_only_compacted_is_refused(policy: str) -> None:
    verdict = difference(STATE, as_required(STATE, other={"cleanup.policy": policy}))
    assert f"cleanup.policy={policy}, and should have compact" in verdict.refusals[0]


def test_compacted_reminders_topic_is_refused() -> None:
    assert difference(REMINDERS, as_required(REMINDERS, other={"cleanup.policy": "compact"})).refusals


@pytest.mark.parametrize("topic", [STATE, REMINDERS], ids=lambda topic: topic.name)
def test_topic_that_takes_no_whole_batch_of_detect_is_refused(topic: RequiredTopic) -> None:
    [refusal] = difference(topic, as_required(topic, other={"max.message.bytes": "100000"})).refusals
    assert f"{topic.name} has max.message.bytes=100000, and should have 1048588: detect could not write" in refusal


@pytest.mark.parametrize("name", ["contacts", "delivery-status", "opt-outs", "dead-letters"])
def test_other_topics_that_others_made_differently_get_advice(name: str) -> None:
    other = {"max.message.bytes": "100000", "cleanup.policy": "compact,delete"}
    verdict = difference(REQUIRED[name], as_required(REQUIRED[name], other=other))
    assert verdict.refusals == ()
    assert [text.split("has ")[1].split("=")[0] for text in verdict.advice] == ["cleanup.policy", "max.message.bytes"]


def test_setting_that_only_costs_disk_space_is_advice() -> None:
    verdict = difference(STATE, as_required(STATE, other={"segment.bytes": str(2**30)}))
    assert verdict.refusals == ()
    assert "segment.bytes=1073741824" in verdict.advice[0]


@pytest.mark.parametrize("better", [{"retention.ms": "-1"}, {"retention.ms": "999999999999"}])
def test_setting_that_is_better_than_required_matches(better: dict[str, str]) -> None:
    assert compare([REMINDERS], {"reminders": as_required(REMINDERS, other=better)}) == [Matching(REMINDERS)]


def test_hidden_settings_are_trusted_and_partition_counts_are_not() -> None:
    assert compare([STATE], {"lapse-state": TopicState(partitions=4, config=None)}) == [Matching(STATE)]
    assert difference(STATE, TopicState(partitions=3, config=None)).refusals
