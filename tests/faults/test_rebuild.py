"""State that does not fit stops its partition and no other; a rebuild lets it begin anew, and nobody hears twice."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from consumer.kafka.detect_loop.partition_count_guard import PartitionsChanged
from tests.app.service import eventually
from tests.broker.broker import Broker
from tests.broker.local import LocalBroker
from tests.faults.world import PARTITIONS, ROOT, Member, World


def rebuild(world: World, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    file = folder / "lapse.yaml"
    file.write_text(json.dumps(world.file("operator")))  # (JSON is YAML)
    command: Sequence[str] = [sys.executable, "-m", "consumer.cli", "state", "rebuild", "--config", str(file), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def rebuilt(world: World, folder: Path) -> str:
    """As soon as the group has given the last member up."""
    done = eventually(lambda: None if (tried := rebuild(world, folder, "--yes")).returncode else tried)
    return str(done.stdout)


def test_harmed_state_stops_its_partitions_alone_until_it_is_rebuilt(world: World, tmp_path: Path) -> None:
    with world.member("one"):
        world.somebody_stalls()
        world.all_are_asked()
    before = world.reminders.ids()
    foreign(world, 0)
    damaged(world, 1)
    with_a_gap(world, 2)
    with world.member("one") as one:
        eventually(lambda: one.owns() == {3}, meaning="the whole one is worked on")
        told = eventually(lambda: refusals(one) if len(refusals(one)) == 3 else None, meaning="it says which are not")
        for number, what in enumerate(("names no segment", "its content is damaged", "is missing or not whole")):
            [line] = [line for line in told if f"{world.topic('state')}[{number}] at " in line]
            assert what in line
        assert one.metric("lapse_refused_partitions") == 3
        new, homes = world.somebody_stalls(), world.homes()
        served = {user for user in new if homes[user] == 3}
        eventually(lambda: served and served <= set(world.reminders.of("DUE")), meaning="and goes on")
        refused = rebuild(world, tmp_path, "--yes")
        assert refused.returncode == 1
        assert "detect is at work: one in the group" in refused.stderr
    said = rebuilt(world, tmp_path)
    assert "partition 2: from offset 0 to" in said
    with world.member("one") as one:
        eventually(lambda: len(one.owns()) == PARTITIONS, meaning="all are worked on")
        world.somebody_stalls()
        world.all_are_asked()
        twice = Counter(2 * list(before))
        eventually(lambda: Counter(world.reminders.of("DUE")) >= twice, meaning="the first are asked for again")
    assert world.reminders.ids().keys() == set(world.everybody)
    assert {user: world.reminders.ids()[user] for user in before} == before, "under the same ids"


def refusals(member: Member) -> list[str]:
    """What it says of its partitions that need a rebuild."""
    return [line for line in str(member.health().detail).split("; ") if "run `lapse state rebuild`" in line]


def foreign(world: World, partition: int) -> None:
    world.writes_state(partition, b"key", b"not ours")


def damaged(world: World, partition: int) -> None:
    """The first half of a segment, with all that belongs to it."""
    [key, segment] = next((k, s) for k, s in world.segments(partition).items() if s.value())
    whole = segment.value() or b""
    world.writes_state(partition, key, whole[: len(whole) // 2], like=segment)


def with_a_gap(world: World, partition: int) -> None:
    """Without the delta of its last commit."""
    deltas = [key for key in world.segments(partition) if key.startswith(b"d/")]
    world.writes_state(partition, max(deltas, key=lambda key: int(key.split(b"/")[1])), None)


def test_a_byte_that_changed_on_the_brokers_disk_is_no_state(own_kafka: Broker, tmp_path: Path) -> None:
    if not isinstance(own_kafka, LocalBroker):
        pytest.skip("the files of a broker in a container are not at hand")
    world = World(own_kafka.bootstrap)
    with world.member("one"):
        world.somebody_stalls()
        world.all_are_asked()
    own_kafka.stop()
    changed_on_disk(own_kafka.data / f"{world.topic('state')}-1")
    own_kafka.start()
    with world.member("one") as one:
        eventually(lambda: one.owns() == {0, 2, 3}, meaning="the others are worked on")
        [told] = eventually(lambda: refusals(one))
        assert "the broker's file cannot be read there" in told
        assert "CRC32C" in told
    rebuilt(world, tmp_path)
    with world.member("one") as one:
        eventually(lambda: len(one.owns()) == PARTITIONS, meaning="what lies before the rebuild matters no more")
    world.close()


def changed_on_disk(partition: Path) -> None:
    """The clock of the last segment is another: still such a number."""
    [file] = partition.glob("*.log")
    held = file.read_bytes()
    digit = held.rindex(b'"watermark":') + len(b'"watermark":')
    file.write_bytes(held[:digit] + bytes([held[digit] ^ 1]) + held[digit + 1 :])


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
