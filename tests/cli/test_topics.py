"""`lapse topics`, on a real broker."""

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from tests.broker.topics import FreshTopics, fresh_name
from tests.cli.conftest import Lapse, write

KEYS = ["contacts", "reminders", "delivery_status", "opt_outs", "dead_letters", "state"]


def content(kafka: str, source: str, names: dict[str, str]) -> dict[str, Any]:
    return {
        "processes": {"checkout": {"action": "your order", "remind_after": ["2h"]}},
        "kafka": {"bootstrap_servers": kafka},
        "source": {"topic": source},
        "topics": names,
    }


@pytest.fixture
def names() -> dict[str, str]:
    return {key: fresh_name(key) for key in KEYS}


def test_missing_topics_are_shown_then_created(
    lapse: Lapse, tmp_path: Path, kafka: str, topics: FreshTopics, names: dict[str, str]
) -> None:
    write(tmp_path, content(kafka, topics(3, about="activity"), names))
    before = lapse("topics")
    assert before.returncode == 1
    assert [line.split(":")[0] for line in before.stdout.splitlines()] == [
        f"✗ topic {names[key]} is missing" for key in KEYS
    ]
    created = lapse("topics", "--create")
    assert created.returncode == 0, created.stdout + created.stderr
    there = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=60).topics
    assert {len(there[name].partitions) for name in names.values()} == {3}
    after = lapse("topics")
    assert after.returncode == 0
    assert after.stdout == created.stdout
    assert f"✓ topic {names['state']}: 3 partitions, cleanup.policy=compact" in after.stdout


def test_unusable_topic_is_reported_with_advice(
    lapse: Lapse, tmp_path: Path, kafka: str, topics: FreshTopics, names: dict[str, str]
) -> None:
    write(tmp_path, content(kafka, topics(3, about="activity"), names))
    topics.create(names["reminders"], 2)
    done = lapse("topics", "--create")
    assert done.returncode == 1
    (wrong,) = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert "has 2 partitions: it must have as many as activity-" in wrong


def test_topics_that_others_made_are_judged_by_check(
    lapse_here: Lapse, tmp_path: Path, kafka: str, topics: FreshTopics, names: dict[str, str]
) -> None:
    write(tmp_path, content(kafka, topics(3, about="activity"), names))
    topics.create(names["state"], 3)
    topics.create(names["reminders"], 3, config={"max.message.bytes": "1000"})
    topics.create(names["delivery_status"], 1, config={"cleanup.policy": "compact"})
    topics.create(names["opt_outs"], 5, config={"cleanup.policy": "compact"})
    said = {line.split(":")[0]: line for line in lapse_here("check").stdout.splitlines()}
    state, reminders, statuses = (
        said[mark + f" topic {names[key]}"]
        for mark, key in zip("✗✗✓", ("state", "reminders", "delivery_status"), strict=True)
    )
    assert "has cleanup.policy=delete, and should have compact: detect's memory would be forgotten" in state
    assert "has max.message.bytes=1000, and should have 1048588: detect could not write" in reminders
    assert "has cleanup.policy=compact, and should have delete" in statuses
    assert "partitions" not in said[f"✓ topic {names['opt_outs']}"]


def test_missing_input_topic_is_reported(lapse: Lapse, tmp_path: Path, kafka: str, names: dict[str, str]) -> None:
    write(tmp_path, content(kafka, "user-actvity", names))
    done = lapse("topics")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the input topic user-actvity is not there: is source.topic spelt right?")


def test_missing_broker_is_reported(lapse: Lapse, tmp_path: Path, names: dict[str, str]) -> None:
    write(tmp_path, content("nobody.invalid:9092", "user-activity", names))
    done = lapse("topics")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "kafka.bootstrap_servers: the host name in nobody.invalid:9092 cannot be resolved: is it spelt right?\n"
    )
