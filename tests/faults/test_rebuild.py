"""State that does not fit stops its partition and no other, until a rebuild; reminder ids stay the same."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from consumer.clock import MINUTE
from consumer.config.settings import Settings
from consumer.kafka.changelog.segment_header import Seal
from consumer.kafka.detect_loop.partition_count_guard import PartitionsChanged
from tests.app.service import eventually
from tests.broker.local import LocalBroker
from tests.faults.world import PARTITIONS, ROOT, Member, World

BATCH_HEADER_BYTES = 61
"""Before the records of a batch, in the format that Kafka writes since 0.11."""


def rebuild(world: World, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    file = folder / "lapse.yaml"
    file.write_text(json.dumps(world.file("operator")))  # (JSON is YAML)
    command: Sequence[str] = [sys.executable, "-m", "consumer.cli", "state", "rebuild", "--config", str(file), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def rebuilt(world: World, folder: Path) -> str:
    """Rebuild as soon as the group has expelled its last member."""
    done = eventually(lambda: None if (tried := rebuild(world, folder, "--yes")).returncode else tried)
    return str(done.stdout)


def test_damaged_state_stops_only_its_partitions_until_a_rebuild(world: World, tmp_path: Path) -> None:
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    before = world.reminders.ids()
    write_foreign_record(world, 0)
    damage_segment(world, 1)
    remove_last_delta(world, 2)
    with world.member("one") as one:
        eventually(lambda: one.partitions() == {3}, meaning="the undamaged one is worked on")
        told = eventually(lambda: refusals(one) if len(refusals(one)) == 3 else None, meaning="health names the others")
        for number, what in enumerate(("names no segment", "its content is damaged", "is missing or not whole")):
            [line] = [line for line in told if f"{world.topic('state')}[{number}] at " in line]
            assert what in line
        assert one.metric("lapse_refused_partitions") == 3
        new, partitions_by_user = world.users_go_quiet(), world.partitions_by_user()
        served = {user for user in new if partitions_by_user[user] == 3}
        eventually(lambda: served and served <= set(world.reminders.of("DUE")), meaning="and goes on")
        refused = rebuild(world, tmp_path, "--yes")
        assert refused.returncode == 1
        assert "detect is at work: one in the group" in refused.stderr
    said = rebuilt(world, tmp_path)
    assert "partition 2: from offset 0 to" in said
    with world.member("one") as one:
        eventually(lambda: len(one.partitions()) == PARTITIONS, meaning="all are worked on")
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        twice = Counter(2 * list(before))
        eventually(lambda: Counter(world.reminders.of("DUE")) >= twice, meaning="the first are asked for again")
    assert world.reminders.ids().keys() == set(world.users)
    assert {user: world.reminders.ids()[user] for user in before} == before, "under the same ids"


def test_state_of_another_key_is_refused_until_a_rebuild(world: World, tmp_path: Path) -> None:
    world.state_key = tmp_path / "key"
    world.state_key.write_text("the operator's key, of the beginning".replace(" ", "-"))
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    before = world.reminders.ids()
    forge_segment(world, 1)
    with world.member("one") as one:
        eventually(lambda: one.partitions() == {0, 2, 3}, meaning="the others are worked on")
        [told] = eventually(lambda: refusals(one))
        assert f"{world.topic('state')}[1] at offset " in told
        assert "its checksum is wrong" in told
    world.state_key.write_text("another-key-of-the-operator")
    with world.member("one") as one:
        eventually(lambda: len(refusals(one)) == PARTITIONS, meaning="no state is accepted")
    assert "sealed with another topics.state_key" in rebuilt(world, tmp_path)
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    assert {user: world.reminders.ids()[user] for user in before} == before, "under the same ids"


def refusals(member: Member) -> list[str]:
    """What health says of the partitions that need a rebuild."""
    return [line for line in str(member.health().detail).split("; ") if "run `lapse state rebuild`" in line]


def write_foreign_record(world: World, partition: int) -> None:
    world.write_state(partition, b"key", b"not ours")


def damage_segment(world: World, partition: int) -> None:
    """Replace a page of the last commit by its first half, with the same key and headers."""
    segments = ((k, s) for k, s in world.segments(partition).items() if s.value())
    [key, segment] = max(segments, key=lambda each: each[1].offset() or 0)
    whole = segment.value() or b""
    world.write_state(partition, key, whole[: len(whole) // 2], headers=segment.headers())


def forge_segment(world: World, partition: int) -> None:
    """Replace a segment by one that says the same, with the checksums of somebody who has no key."""
    [key, segment] = next((k, s) for k, s in world.segments(partition).items() if s.value())
    value, header = segment.value() or b"", dict(segment.headers() or [])["segment"]
    assert isinstance(header, bytes)
    world.write_state(partition, key, value, headers=Seal(b"", partition).headers(key, header, value))


def remove_last_delta(world: World, partition: int) -> None:
    """Write a tombstone for the delta of its last commit."""
    deltas = [key for key in world.segments(partition) if key.startswith(b"d/")]
    world.write_state(partition, max(deltas, key=lambda key: int(key.split(b"/")[1])), None)


def test_byte_changed_on_the_brokers_disk_is_detected(local_kafka: LocalBroker, tmp_path: Path) -> None:
    world = World(local_kafka.bootstrap)
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    local_kafka.stop()
    change_byte_on_disk(local_kafka.data / f"{world.topic('state')}-1")
    local_kafka.start()
    with world.member("one") as one:
        eventually(lambda: one.partitions() == {0, 2, 3}, meaning="the others are worked on")
        [told] = eventually(lambda: refusals(one))
        assert "the broker's file cannot be read there" in told
        assert "CRC32C" in told
    rebuilt(world, tmp_path)
    with world.member("one") as one:
        eventually(lambda: len(one.partitions()) == PARTITIONS, meaning="records before the rebuild are ignored")
    world.close()


def change_byte_on_disk(partition: Path) -> None:
    """Change the last byte of the last batch that holds records; the batches are compressed."""
    [file] = partition.glob("*.log")
    held = bytearray(file.read_bytes())
    begin, last = 0, -1
    while len(held) - begin > BATCH_HEADER_BYTES and (length := int.from_bytes(held[begin + 8 : begin + 12])):
        end = begin + 12 + length
        is_control = held[begin + 22] & 0x20  # a transaction's marker
        last, begin = last if is_control else end - 1, end
    held[last] ^= 1
    file.write_bytes(held)


def test_rebuild_without_yes_changes_nothing(world: World, tmp_path: Path) -> None:
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    told = eventually(lambda: None if (tried := rebuild(world, tmp_path)).returncode else tried).stdout
    assert "Nothing was changed." in told
    assert "UTC are only counted: the first start looked back to then." in told
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    world.assert_reminded_once_each()


def test_changed_partition_count_stops_detect_until_a_rebuild(world: World, tmp_path: Path) -> None:
    with world.member("one") as one:
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
        world.add_partitions("activity", PARTITIONS + 1)
        assert "lapse state rebuild" in one.failure(PartitionsChanged)
    with world.member("one") as one:
        assert "has 5 partitions now, and" in one.failure(PartitionsChanged)
    world.add_partitions("reminders", PARTITIONS + 1)
    assert "gets 1 more partitions" in rebuilt(world, tmp_path)
    with world.member("one") as one:
        eventually(lambda: len(one.partitions()) == PARTITIONS + 1, meaning="all five are worked on")


def test_rebuild_is_no_first_start(world: World, tmp_path: Path) -> None:
    content = world.file("one") | {"source": {"topic": world.topic("activity")}}
    settings, counted = (
        Settings.model_validate(content),
        {"process": "checkout", "step": "0", "outcome": "before_start"},
    )
    before = int(time.time() * 1000) - 30 * MINUTE
    early = [f"early-{n}" for n in range(12)]
    for user in early:
        world.platform.says(user, "STARTED", "checkout", occurred_at=before)
    world.platform.flush()
    with Member(settings) as one:
        eventually(lambda: one.metric("lapse_lapses_total", **counted) == len(early), meaning="the past is counted")
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    rebuilt(world, tmp_path)
    with Member(settings) as one:
        eventually(lambda: one.metric("lapse_lapses_total", **counted) == len(early), meaning="and is again")
        twice = Counter(2 * world.users)
        eventually(lambda: Counter(world.reminders.of("DUE")) >= twice, meaning="the others are asked for again")
    assert not set(early) & set(world.reminders.of("DUE"))
