"""One partition with a million lapses due at once, and three that live: what these notice of it.

    python -m bench.fairness [--due 1000000] [--live 20]

The live partitions get so many activities a second, each of somebody who is not heard of again and lapses a second
later. Told are the times from these lapses until a read_committed reader has their reminders, before the million and
meanwhile; how fast the million goes out; and the longest turn and commit.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Iterator

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.detect import PARTITIONS, settings_for, time_turns, written
from bench.events import LAPSING, create, text, varint
from consumer import log
from consumer.activity.schemas.avro_schema import own, single_object_header
from consumer.clock import HOUR, SECOND, SystemClock
from consumer.config.sections.service import LogSettings
from consumer.config.settings import Settings
from consumer.kafka.clients import topics
from consumer.records import Reminder, ReminderKind, UserActivity
from consumer.wiring import detect
from consumer.wiring.shared import Shared
from tests.broker.find import running_kafka
from tests.broker.topics import fresh_name

LIVE = "live"
_PHASE_S = 8.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--due", type=int, default=1_000_000)
    arguments.add_argument("--live", type=int, default=20)
    asked = arguments.parse_args()
    log.configure(LogSettings(level="error"))
    with running_kafka() as bootstrap:
        topic = fresh_name("activity")
        create(bootstrap, topic, PARTITIONS)
        settings = _with_live_process(settings_for(bootstrap, topic, "avro"))
        _measure(bootstrap, settings, asked.due, asked.live)


def _with_live_process(settings: Settings) -> Settings:
    fields = settings.model_dump()
    fields["processes"][LIVE] = {"action": "it", "remind_after": ["1s"]}
    fields["detect"] |= {"allowed_lateness": "0s", "settle": "0s"}
    return Settings.model_validate(fields)


def _measure(bootstrap: str, settings: Settings, due: int, live: int) -> None:
    shared = Shared(settings)
    topics.prepare(shared.admin, settings.topics, settings.state_topic, settings.source.topic)
    loop, stop = detect.build(shared), threading.Event()
    turns, latencies = time_turns(loop), list[tuple[float, float]]()
    threads = [
        threading.Thread(target=loop.run, args=(stop,)),
        threading.Thread(target=_live, args=(bootstrap, settings.source.topic, live, stop)),
        threading.Thread(target=_read, args=(bootstrap, settings, shared, stop, latencies)),
    ]
    for thread in threads:
        thread.start()
    time.sleep(2 * _PHASE_S)  # the first half is for everything to start
    calm, before = [latency for at, latency in latencies if at > time.time() - _PHASE_S], written(shared)
    turns.clear()
    _write_due(bootstrap, settings.source.topic, due)
    begun = time.time()
    while written(shared) - before < due:
        time.sleep(0.05)
    took = time.time() - begun
    meanwhile = [latency for at, latency in latencies if at > begun]
    stop.set()
    for thread in threads:
        thread.join()
    commits = shared.metrics.get_sample_value("lapse_commit_seconds_sum") or 0.0
    count = shared.metrics.get_sample_value("lapse_commit_seconds_count") or 1.0
    print(f"{due:,} lapses of one partition: {due / took / 1000:.0f} thousand a second, done after {took:.1f} s")
    for name, found in (("before", calm), ("meanwhile", meanwhile)):
        worst = max(found, default=0.0)
        print(f"lapse to reminder of the others, {name}: median {statistics.median(found):.2f} s, worst {worst:.2f} s")
    print(f"longest turn {max(turns):.2f} s; a commit takes {commits / count:.2f} s on average")


def _events(names: Iterator[str], process: str, at: int) -> Iterator[tuple[bytes, bytes]]:
    header = single_object_header(own(UserActivity))
    for name in names:
        yield (
            name.encode(),
            header + b"".join((text(name), text(name), text(process), varint(0), varint(0), varint(at))),
        )


def _write_due(bootstrap: str, topic: str, count: int) -> None:
    """In one transaction, so that all of them are due at once."""
    settings = {
        "bootstrap.servers": bootstrap,
        "transactional.id": fresh_name("due"),
        "transaction.timeout.ms": 600_000,
    }
    producer = Producer({**settings, "queue.buffering.max.messages": 1_000_000, "linger.ms": 50})
    producer.init_transactions()
    producer.begin_transaction()
    at = SystemClock().now() - HOUR
    for number, (key, value) in enumerate(_events((f"due-{n:07d}" for n in range(count)), LAPSING, at)):
        producer.produce(topic, value, key, 0, timestamp=at)
        if number % 100_000 == 0:
            producer.flush()
    producer.commit_transaction()


def _live(bootstrap: str, topic: str, rate: int, stop: threading.Event) -> None:
    producer, number = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5}), 0
    while not stop.wait(1 / rate):
        now, number = SystemClock().now(), number + 1
        for key, value in _events(iter([f"live-{number}"]), LIVE, now):
            producer.produce(topic, value, key, 1 + number % (PARTITIONS - 1), timestamp=now)
        producer.poll(0)
    producer.flush()


def _read(
    bootstrap: str, settings: Settings, shared: Shared, stop: threading.Event, latencies: list[tuple[float, float]]
) -> None:
    """Note when a reminder of a live partition was read, and how long after its lapse that was (seconds)."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": fresh_name("reader"), "fetch.wait.max.ms": 10})
    consumer.assign([TopicPartition(settings.topics.reminders, number, 0) for number in range(1, PARTITIONS)])
    while not stop.is_set():
        for message in consumer.consume(500, 0.05):
            now = time.time()
            reminder = shared.codec.decode(Reminder, message.value() or b"")
            if reminder.kind is ReminderKind.DUE and reminder.lapsed_at is not None:
                latencies.append((now, now - reminder.lapsed_at / SECOND))
    consumer.close()


if __name__ == "__main__":
    main()
