"""Events a second: detect catching up, beside raw `consume` of the same topic and a plain loop, in the same run.

    python -m bench.detect [--events 2000000] [--users 268000]

Raw `consume` has the same client settings and does nothing with what it gets. The plain loop decodes each event with
fastavro and keeps a dictionary: no transactions, no state, nothing written. Detect does all of its work: exactly-once
commits every second, reminders, the state topic.
"""

import argparse
import threading
import time
from collections.abc import Callable
from io import BytesIO

import fastavro
from confluent_kafka import Consumer, TopicPartition

from bench.events import PROCESSES, events, fill
from consumer import log
from consumer.activity.avsc import own
from consumer.assembly import detect
from consumer.assembly.shared import Shared
from consumer.clock import SystemClock
from consumer.config import Log, Settings
from consumer.kafka import offsets, topics
from consumer.kafka.loop import DetectLoop
from consumer.records import UserActivity
from tests.broker.find import running_kafka
from tests.broker.topics import fresh_name

PARTITIONS = 4
POLL = 500  # the quickest for a reader that does nothing else: few objects at a time, and all of them near


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=2_000_000)
    arguments.add_argument("--users", type=int, default=268_000)
    asked = arguments.parse_args()
    log.configure(Log(level="warning"))
    with running_kafka() as bootstrap:
        topic = fresh_name("activity")
        # Ending now, so that they are neither clamped nor lapsed: catching up with a morning's outage.
        start = SystemClock().wall() - asked.events
        fill(bootstrap, topic, PARTITIONS, events(asked.events, asked.users, start))
        settings = _settings(bootstrap, topic)
        raw = _rate("raw consume", asked.events, lambda: _consume(settings, asked.events, lambda values: None))
        plain = _rate("plain loop (fastavro, dict)", asked.events // 4, lambda: _plain(settings, asked.events // 4))
        ours = _rate("detect", asked.events, lambda: _detect(settings))
        print(f"detect / raw consume: {ours / raw:.2f}    detect / plain loop: {ours / plain:.1f}")


def _rate(name: str, count: int, run: Callable[[], float]) -> float:
    rate = count / run()
    print(f"{name:30} {rate / 1e6:6.2f} million events a second", flush=True)
    return rate


def _settings(bootstrap: str, topic: str) -> Settings:
    names = ("contacts", "reminders", "delivery_status", "opt_outs", "dead_letters", "state")
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": bootstrap, "group_prefix": fresh_name("bench"), "instance": "bench"},
            "topics": {name: f"{topic}-{name}" for name in names},
            "source": {"topic": topic},
            "processes": {name: {"action": name, "remind_after": ["24h", "72h"]} for name in PROCESSES},
            "detect": {"commit_interval": "1s"},
        }
    )


def _consume(settings: Settings, count: int, take: Callable[[list[bytes]], None]) -> float:
    """Seconds from the first batch to the last."""
    consumer = detect.consumer(settings.kafka, {"group.id": fresh_name("raw"), "enable.partition.eof": False})
    consumer.assign([TopicPartition(settings.source.topic, number, 0) for number in range(PARTITIONS)])
    seen = len(_values(consumer))
    started, first = time.perf_counter(), seen
    while seen < count:
        values = _values(consumer)
        take(values)
        seen += len(values)
    took = (time.perf_counter() - started) * count / max(1, seen - first)
    consumer.close()
    return took


def _values(consumer: Consumer) -> list[bytes]:
    return [message.value() or b"" for message in consumer.consume(POLL, 0.1)]


def _plain(settings: Settings, count: int) -> float:
    schema = fastavro.parse_schema(own(UserActivity).schema)
    seen: dict[tuple[str, str], int] = {}

    def take(values: list[bytes]) -> None:
        for value in values:
            event = fastavro.schemaless_reader(BytesIO(value[10:]), schema, None)
            assert isinstance(event, dict)
            key = event["user_id"], event["process"]
            at = event["occurred_at"].timestamp()
            if at > seen.get(key, 0):
                seen[key] = at

    return _consume(settings, count, take)


def _detect(settings: Settings) -> float:
    shared = Shared(settings)
    topics.prepare(shared.admin, settings.topics, settings.state_topic, settings.source.topic)
    ends = offsets.ends(shared.admin, settings.source.topic)
    loop = detect.build(shared)
    stop, begun, done = threading.Event(), threading.Event(), threading.Event()
    running = threading.Thread(target=loop.run, args=(stop,))
    watching = threading.Thread(target=_watch, args=(loop, ends, begun, done))
    running.start()
    watching.start()
    begun.wait()
    started = time.perf_counter()
    done.wait()
    stop.set()
    running.join()  # the last commit is part of the work
    took = time.perf_counter() - started
    watching.join()
    return took


def _watch(loop: DetectLoop, ends: dict[int, int], begun: threading.Event, done: threading.Event) -> None:
    while len(loop.partitions) < len(ends) or not any(p.position for p in loop.partitions.values()):
        time.sleep(0.001)
    begun.set()
    while any(loop.partitions[number].position < end for number, end in ends.items()):
        time.sleep(0.005)
    done.set()


if __name__ == "__main__":
    main()
