"""The input becomes another: made again, or given more partitions, with or without the state topic."""

from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from consumer.config.settings import Settings
from consumer.kafka.clients import topics
from consumer.kafka.clients.topics import TopicsRefused
from consumer.kafka.detect_loop.partition_count_guard import PartitionsChanged
from tests.app.service import eventually
from tests.broker.local import LocalBroker
from tests.faults.test_rebuild import rebuilt, refusals
from tests.faults.world import PARTITIONS, Member, Reminders, World


def make_again(world: World) -> None:
    """Delete the input and create it with the same name."""
    topic = world.topic("activity")
    world.admin.delete_topics([topic])[topic].result(30)
    eventually(lambda: topic not in world.admin.list_topics(timeout=60).topics, meaning="the topic is gone")

    def create() -> bool:
        made = world.admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic]
        return made.exception(30) is None

    eventually(create, meaning="the topic is there again")


def test_input_that_is_made_again_stops_detect_until_a_rebuild(world: World, tmp_path: Path) -> None:
    with world.member("one") as one:
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        make_again(world)
        assert "was deleted and made again" in one.failure(PartitionsChanged)
    world.users_go_quiet(40)
    with world.member("one") as one:
        told = eventually(lambda: refusals(one) if len(refusals(one)) == PARTITIONS else None)
        assert all("was deleted and made again" in line for line in told)
        assert one.applied() == 0
    rebuilt(world, tmp_path)
    with world.member("one"):
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def test_after_growth_nobody_is_asked_who_was_last_seen_before(world: World, tmp_path: Path) -> None:
    with world.member("one"):
        before = world.users_go_quiet()
        world.wait_until_all_are_reminded()
    for about in ("activity", "state", "reminders"):  # all together, as an operator of the broker would
        world.add_partitions(about, PARTITIONS + 1)
    with world.member("one") as one:
        told = eventually(lambda: refusals(one) if len(refusals(one)) == PARTITIONS else None)
        assert all("has 5 partitions now, and 4 when its state was written" in line for line in told)
    assert "Users who were last seen before the input got more partitions get none" in rebuilt(world, tmp_path)
    with world.member("one") as one:
        eventually(lambda: len(one.partitions()) == PARTITIONS + 1, meaning="all five are worked on")
        reminders = Reminders(world.bootstrap, world.topic("reminders"), partitions=PARTITIONS + 1)
        after = world.users_go_quiet()
        eventually(lambda: set(after) <= set(reminders.of("DUE")), meaning="new silences are noticed")
    reminders.read_to_the_end(world.admin)
    assert Counter(reminders.of("DUE")) == Counter([*before, *after])
    reminders.close()


def test_a_rebuild_tells_deliver_in_every_partition(world: World, tmp_path: Path) -> None:
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    rebuilt(world, tmp_path)
    world.reminders.read_to_the_end(world.admin)
    assert len(world.reminders.of("REBUILT")) == PARTITIONS


@pytest.mark.parametrize("local_kafka", [{"auto.create.topics.enable": "true"}], indirect=True)
def test_deleted_input_does_not_come_back_by_our_own_requests(local_kafka: LocalBroker) -> None:
    """The broker makes topics that are asked about. Ours must not be among those who ask so."""
    world = World(local_kafka.bootstrap)
    topic = world.topic("activity")
    with world.member("one") as one:
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        world.admin.delete_topics([topic])[topic].result(30)
        late = "lapse_watermark_delay_seconds"
        eventually(lambda: one.metric(late, partition="0") > 5, meaning="nothing of the input was answered for long")
        assert topic not in world.admin.list_topics(timeout=60).topics
    with pytest.raises(TopicsRefused, match="is not there"):
        topics.input_partitions(world.admin, topic)
    assert topic not in world.admin.list_topics(timeout=60).topics
    world.close()


def test_process_that_was_missing_for_one_run_has_heard_its_completions(world: World) -> None:
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    file = world.file("one")
    file["processes"] = {"chekcout": file["processes"]["checkout"]}
    finished = world.users[:6]
    with Member(Settings.model_validate(file)) as one:
        for user in finished:
            world.platform.says(user, "STARTED", "checkout")
            world.platform.says(user, "COMPLETED", "checkout")
        world.platform.flush()
        eventually(lambda: set(world.reminders.of("COMPLETED")) == set(finished), meaning="they have finished")
        assert one.tracked_keys() == len(world.users)
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def test_topics_that_grow_together_while_detect_runs_stop_it(world: World) -> None:
    """An operator's tool gives each of them more partitions at once."""
    with world.member("one") as one:
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        for about in ("activity", "state", "reminders"):
            world.add_partitions(about, PARTITIONS + 1)
        assert "has 5 partitions now, and 4 when its state was written" in one.failure(PartitionsChanged)
    world.assert_reminded_once_each()
