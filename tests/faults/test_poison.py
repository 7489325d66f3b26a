"""Records that cannot be read and are larger than the dead letters' topic takes do not stop detect."""

import hashlib

import structlog
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from consumer.clock import MINUTE, ManualClock
from consumer.kafka.dead_letters.rejection_log import RejectionLog
from tests.app.service import eventually
from tests.faults.world import World

MEGABYTE = 1_000_000


def poison(world: World, size: int, key: bytes | None = None) -> bytes:
    """Write a record of this size that is no activity. Returns its value."""
    topic, value = world.topic("activity"), b"\xff" * size
    entry = ConfigEntry("max.message.bytes", str(30 * MEGABYTE), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    world.admin.incremental_alter_configs([resource])[resource].result(30)
    producer = Producer({"bootstrap.servers": world.bootstrap, "message.max.bytes": 20 * MEGABYTE})
    taken: list[KafkaError | None] = []

    def is_taken() -> bool:  # not before the broker has learnt of the setting
        producer.produce(topic, value, key, partition=1, on_delivery=lambda error, message: taken.append(error))
        return producer.flush(30) == 0 and taken[-1] is None

    eventually(is_taken, meaning="the topic takes a large record")
    return value


def test_poison_larger_than_any_dead_letter_is_set_aside_without_its_value(world: World) -> None:
    value = poison(world, 12 * MEGABYTE)
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    [letter] = world.all_of("dead_letters")
    assert letter.value() is None
    headers = dict(letter.headers() or [])
    assert headers["topic"] == world.topic("activity").encode()
    assert (headers["partition"], headers["offset"], headers["reason"]) == (b"1", b"0", b"unframed")
    assert headers["value_size"] == b"12000000"
    assert headers["value_sha256"] == hashlib.sha256(value).hexdigest().encode()
    world.assert_reminded_once_each()


def test_poison_larger_than_the_brokers_default_is_set_aside_without_its_value(world: World) -> None:
    """The topic was made by somebody else, with the broker's default of one megabyte."""
    for gone in world.admin.delete_topics([world.topic("dead_letters")]).values():
        gone.result(30)
    world.create_dead_letters_topic()
    small = poison(world, 900_000)
    poison(world, 2 * MEGABYTE, b"k" * 2 * MEGABYTE)
    with world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    whole, other = sorted(world.all_of("dead_letters"), key=lambda letter: letter.value() is None)
    assert whole.value() == small
    assert (other.key(), other.value()) == (None, None)
    assert dict(other.headers() or [])["key_size"] == b"2000000"
    world.assert_reminded_once_each()


def test_dead_letters_are_told_at_most_once_a_minute_for_each_reason() -> None:
    clock = ManualClock()
    log = RejectionLog(clock)
    with structlog.testing.capture_logs() as lines:
        for offset in range(1000):
            log.count("unframed", "activity", 3, offset)
            if offset == 500:
                log.count("unreadable", "activity", 1, 7)
            log.write_due()
        clock.advance(MINUTE - 1)
        log.write_due()
        assert [(line["reason"], line["count"], line["offset"]) for line in lines] == [
            ("unframed", 1, 0),
            ("unreadable", 1, 7),
        ]
        clock.advance(1)
        log.write_due()
        log.write_due()
    assert len(lines) == 3
    assert lines[2] == {
        "event": "records_rejected",
        "log_level": "warning",
        "reason": "unframed",
        "count": 999,
        "topic": "activity",
        "partition": 3,
        "offset": 1,
    }


def test_detect_logs_what_it_sets_aside(world: World) -> None:
    for number in range(3):
        world.platform.write_bytes("activity", b"%d" % number, b"these bytes mean nothing")
    world.platform.flush()
    with structlog.testing.capture_logs() as lines, world.member("one"):
        world.users_go_quiet()
        world.wait_until_all_are_reminded()
    assert len(world.dead_letters()) == 3
    assert [line["count"] for line in lines if line["event"] == "records_rejected"] == [3]
