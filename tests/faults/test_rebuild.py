"""State that does not fit stops its partition and no other; a rebuild lets it begin anew, and nobody hears twice."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from consumer.kafka.count import PartitionsChanged
from tests.app.service import eventually
from tests.faults.world import PARTITIONS, ROOT, World


def rebuild(world: World, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    file = folder / "lapse.yaml"
    file.write_text(json.dumps(world.file("operator")))  # (JSON is YAML)
    command: Sequence[str] = [sys.executable, "-m", "consumer.cli", "state", "rebuild", "--config", str(file), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def rebuilt(world: World, folder: Path) -> str:
    """As soon as the group has given the last member up."""
    done = eventually(lambda: None if (tried := rebuild(world, folder, "--yes")).returncode else tried)
    return str(done.stdout)


def test_a_foreign_segment_stops_its_partition_alone_until_it_is_rebuilt(world: World, tmp_path: Path) -> None:
    with world.member("one"):
        world.somebody_stalls()
        world.all_are_asked()
    before = world.reminders.ids()
    world.writes_state(2, b"key", b"not ours")
    with world.member("one") as one:
        eventually(lambda: len(one.owns()) == PARTITIONS - 1, meaning="the others are worked on")
        told = eventually(lambda: one.health().ok and one.health().detail)
        assert f"{world.topic('state')}[2] at offset" in told
        assert "lapse state rebuild" in told
        assert one.metric("lapse_refused_partitions") == 1
        refused = rebuild(world, tmp_path, "--yes")
        assert refused.returncode == 1
        assert "detect is at work: one in the group" in refused.stderr
    said = rebuilt(world, tmp_path)
    assert "partition 2: from offset 0 to" in said
    with world.member("one") as one:
        eventually(lambda: len(one.owns()) == PARTITIONS, meaning="all are worked on")
        world.somebody_stalls()
        world.all_are_asked()
        eventually(lambda: len(world.reminders.of("DUE")) == 36, meaning="the first twelve are asked for again")
    assert world.reminders.ids().keys() == set(world.everybody)
    assert {user: world.reminders.ids()[user] for user in before} == before, "under the same ids"


def test_what_a_rebuild_would_do_is_told_first_and_nothing_done(world: World, tmp_path: Path) -> None:
    with world.member("one"):
        world.somebody_stalls()
        world.all_are_asked()
    told = eventually(lambda: None if (tried := rebuild(world, tmp_path)).returncode else tried).stdout
    assert "Nothing was changed." in told
    with world.member("one"):
        world.somebody_stalls()
        world.all_are_asked()
    world.nobody_was_asked_twice()


def test_a_partition_count_that_changes_stops_detect_until_the_state_is_rebuilt(world: World, tmp_path: Path) -> None:
    with world.member("one") as one:
        world.somebody_stalls()
        world.all_are_asked()
        world.gives_more_partitions("activity", PARTITIONS + 1)
        assert "lapse state rebuild" in one.broke_with(PartitionsChanged)
    with world.member("one") as one:
        assert "has 5 partitions now, and" in one.broke_with(PartitionsChanged)
    world.gives_more_partitions("reminders", PARTITIONS + 1)
    assert "is given 1 more partitions" in rebuilt(world, tmp_path)
    with world.member("one") as one:
        eventually(lambda: len(one.owns()) == PARTITIONS + 1, meaning="all five are worked on")
