"""Events a second: detect catching up, beside raw `consume` of the same topic and a plain loop, in the same run.

    python -m bench.detect [--events 4000000] [--users 536000] [--rounds 3] [--format avro|json]

Raw `consume` has the same client settings and does nothing with what it gets, in polls of the size that is best for
it. The plain loop decodes each event with fastavro (or json) and keeps a dictionary: no transactions, no state,
nothing written. Detect does all of its work: exactly-once commits every second, reminders, the state topic. They take
turns, and the median of the ratios is told: a machine's speed may change from one minute to the next.
"""

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import fastavro
from confluent_kafka import Message, TopicPartition

from bench.events import PROCESSES, events, fill, json_events
from consumer import log
from consumer.activity.schemas.avro_schema import own
from consumer.clock import SystemClock
from consumer.config.service import LogSettings
from consumer.config.settings import Settings
from consumer.kafka.clients import partition_offsets, topics
from consumer.kafka.detect_loop.loop import DetectLoop
from consumer.records import UserActivity
from consumer.wiring import detect
from consumer.wiring.shared import Shared
from tests.broker.find import running_kafka
from tests.broker.topics import fresh_name

PARTITIONS = 4
POLL = 500  # the quickest for a reader that does nothing else: few objects at a time, and all of them near


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=4_000_000)
    arguments.add_argument("--users", type=int, default=536_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--format", choices=("avro", "json"), default="avro")
    asked = arguments.parse_args()
    log.configure(LogSettings(level="warning"))
    with running_kafka() as bootstrap:
        topic = fresh_name("activity")
        # Ending now, so that they are neither clamped nor lapsed: catching up with a morning's outage.
        start = SystemClock().now() - asked.events
        made = events if asked.format == "avro" else json_events
        fill(bootstrap, topic, PARTITIONS, made(asked.events, asked.users, start))
        rounds = [
            _round(settings_for(bootstrap, topic, asked.format), asked.events, asked.format)
            for _ in range(asked.rounds)
        ]
    raws, plains, ours = zip(*rounds, strict=True)
    compare("detect / raw consume", ours, raws)
    compare("detect / plain loop", ours, plains)


def _round(settings: Settings, count: int, form: str) -> tuple[float, float, float]:
    """Events a second: raw, plain, ours."""
    few = count // 8
    return (
        rate("raw consume", count, lambda: _consume(settings, count, lambda messages: None)),
        rate(f"plain loop ({form}, dict)", few, lambda: _plain(settings, few)),
        rate("detect", count, lambda: catch_up(settings)),
    )


def compare(name: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(f"{name}: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


def rate(name: str, count: int, run: Callable[[], float]) -> float:
    cpu = time.process_time()
    found = count / run()
    cpu = (time.process_time() - cpu) / count * 1e6
    print(f"{name:30} {found / 1e6:6.2f} million events a second, {cpu:5.2f} µs of this process an event", flush=True)
    return found


def settings_for(bootstrap: str, topic: str, form: str) -> Settings:
    group = fresh_name("bench")
    names = ("contacts", "reminders", "delivery_status", "opt_outs", "dead_letters", "state")
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": bootstrap, "group_prefix": group, "instance": "bench"},
            "topics": {name: f"{group}-{name}" for name in names},
            "source": {"topic": topic, "format": form},
            "processes": {name: {"action": name, "remind_after": ["24h", "72h"]} for name in PROCESSES},
            "detect": {"commit_interval": "1s"},
        }
    )


def _consume(settings: Settings, count: int, take: Callable[[list[Message]], None]) -> float:
    """Seconds from the first batch to the last."""
    consumer = detect.consumer(settings.kafka, {"group.id": fresh_name("raw"), "enable.partition.eof": False})
    consumer.assign([TopicPartition(settings.source.topic, number, 0) for number in range(PARTITIONS)])
    while not (messages := consumer.consume(POLL, 0.1)):
        pass
    seen = first = len(messages)
    started = time.perf_counter()
    while seen < count:
        messages = consumer.consume(POLL, 0.1)
        take(messages)
        seen += len(messages)
    took = (time.perf_counter() - started) * count / max(1, seen - first)
    consumer.close()
    return took


def _plain(settings: Settings, count: int) -> float:
    read = _read_json if settings.source.format == "json" else _read_avro()
    seen: dict[tuple[str, str], Any] = {}

    def take(messages: list[Message]) -> None:
        for message in messages:
            event = read(message.value() or b"")
            key = event["user_id"], event["process"]
            if key not in seen or event["occurred_at"] > seen[key]:
                seen[key] = event["occurred_at"]

    return _consume(settings, count, take)


def _read_avro() -> Callable[[bytes], Any]:
    schema = fastavro.parse_schema(own(UserActivity).schema)
    return lambda value: fastavro.schemaless_reader(BytesIO(value[10:]), schema, None)


def _read_json(value: bytes) -> Any:
    return json.loads(value)


def catch_up(settings: Settings) -> float:
    """Seconds until detect has read, applied and committed all there is."""
    shared = Shared(settings)
    topics.prepare(shared.admin, settings.topics, settings.state_topic, settings.source.topic)
    ends = partition_offsets.fetch_all(shared.admin, settings.source.topic)
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
    while len(loop.tasks) < len(ends) or not any(p.position for p in loop.tasks.values()):
        time.sleep(0.001)
    begun.set()
    while any(loop.tasks[number].position < end for number, end in ends.items()):
        time.sleep(0.005)
    done.set()


if __name__ == "__main__":
    main()
