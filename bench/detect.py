"""Events a second: detect catching up, beside raw `consume` of the same topic and a plain loop, in the same run.

    python -m bench.detect [--events 4000000] [--users 536000] [--rounds 3] [--format avro|json]
    python -m bench.detect --fetch messages columns
    python -m bench.detect --lapsing 0 0.02 0.1 0.3 [--events 1000000]

Raw `consume` has the same client settings and does nothing with what it gets, in polls of the size that is best for
it. The plain loop decodes each event with fastavro (or json) and keeps a dictionary: no transactions, no state,
nothing written. Detect does all of its work: exactly-once commits every second, reminders, the state topic. They take
turns, and the median of the ratios is told: a machine's speed may change from one minute to the next.

With `--lapsing` such shares of the events lead to a reminder, and a third as many each to RETURNED and COMPLETED.
Detect reads the topic in two halves, since people return only after they were asked; the time is that of both, with a
last commit each. (What fills the topic is not timed.)
"""

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import fastavro
from confluent_kafka import Message, TopicPartition

from bench.events import LAPSING, PROCESSES, create, events, fill, json_events, lapsing_events, write
from consumer import log
from consumer.activity.schemas.avro_schema import own
from consumer.clock import SystemClock
from consumer.config.sections.service import LogSettings
from consumer.config.settings import Settings
from consumer.kafka.clients import partition_offsets, topics
from consumer.kafka.detect_loop.loop import DetectLoop
from consumer.kafka.detect_loop.partition_task import PartitionTask
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
    arguments.add_argument("--fetch", choices=("messages", "columns"), nargs="+", default=["messages"])
    arguments.add_argument("--lapsing", type=float, nargs="+", metavar="SHARE")
    asked = arguments.parse_args()
    log.configure(LogSettings(level="error"))
    if "columns" in asked.fetch:
        compile_columns()
    with running_kafka() as bootstrap:
        if asked.lapsing:
            for fetch in asked.fetch:
                compare_lapsing(bootstrap, asked.lapsing, asked.events, asked.users, asked.rounds, fetch)
            return
        topic = fresh_name("activity")
        # Ending now, so that they are neither clamped nor lapsed: catching up with a morning's outage.
        start = SystemClock().now() - asked.events
        made = events if asked.format == "avro" else json_events
        fill(bootstrap, topic, PARTITIONS, made(asked.events, asked.users, start))
        rounds = [_round(bootstrap, topic, asked.format, asked.events, asked.fetch) for _ in range(asked.rounds)]
    raws, plains, *ours = zip(*rounds, strict=True)
    for fetch, rates in zip(asked.fetch, ours, strict=True):
        compare(f"detect, {fetch} / raw consume", rates, raws)
        compare(f"detect, {fetch} / plain loop", rates, plains)
        if fetch != asked.fetch[0]:
            compare(f"detect, {fetch} / detect, {asked.fetch[0]}", rates, ours[0])


def _round(bootstrap: str, topic: str, form: str, count: int, fetches: Sequence[str]) -> list[float]:
    """Events a second: raw, plain, ours with each way to fetch."""
    few, settings = count // 8, settings_for(bootstrap, topic, form)
    return [
        rate("raw consume", count, lambda: _consume(settings, count, lambda messages: None)),
        rate(f"plain loop ({form}, dict)", few, lambda: _plain(settings, few)),
        *(
            rate(f"detect, {fetch}", count, partial(catch_up, settings_for(bootstrap, topic, form, fetch)))
            for fetch in fetches
        ),
    ]


def compile_columns() -> None:
    """Compile what columns need, which takes some seconds in each process and is no part of the rate."""
    from consumer.byte_columns.compiled_texts import compile_loops
    from consumer.detect.compiled_row_loops import CompiledRowLoops
    from consumer.kafka.columns.gathering import Gatherer

    compile_loops()
    Gatherer()
    CompiledRowLoops(bytes(16))


def compare_lapsing(bootstrap: str, shares: Sequence[float], count: int, users: int, rounds: int, fetch: str) -> None:
    """All shares in each round, so that they are compared in the same minutes."""
    found: dict[float, list[tuple[float, float, float]]] = {share: [] for share in shares}
    for _ in range(rounds):
        for share in shares:
            found[share].append(_lapsing_round(bootstrap, share, count, users, fetch))
    for share, figures in found.items():
        raws, plains, ours = zip(*figures, strict=True)
        compare(f"{share:.0%} lapsing: detect, {fetch} / raw consume", ours, raws)
        compare(f"{share:.0%} lapsing: detect, {fetch} / plain loop", ours, plains)


def _lapsing_round(bootstrap: str, share: float, count: int, users: int, fetch: str) -> tuple[float, float, float]:
    """Events a second: raw, plain, ours."""
    topic, took = fresh_name("activity"), 0.0
    create(bootstrap, topic, PARTITIONS)
    settings = settings_for(bootstrap, topic, "avro", fetch)
    halves = lapsing_events(count, users, share, SystemClock().now())
    turns, reminders = [], [int(count * share), int(count * share) // 3 * 2]
    for half, expected, before in zip(halves, reminders, (0, count // 2), strict=True):
        write(bootstrap, topic, half)
        seconds, cpu_s, longest_s = catch_up_with_reminders(settings, expected, before)
        took += seconds
        turns.append(f"{seconds:.2f} s, {cpu_s:.2f} s of CPU, longest turn {longest_s:.2f} s")
    print(
        f"{share:.0%} lapsing: detect {count / took / 1e6:.2f} million events a second ({'; '.join(turns)})", flush=True
    )
    few = count // 4
    return (
        rate("raw consume", count, lambda: _consume(settings, count, lambda messages: None)),
        rate("plain loop (avro, dict)", few, lambda: _plain(settings, few)),
        count / took,
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


def settings_for(bootstrap: str, topic: str, form: str, fetch: str = "messages") -> Settings:
    return Settings.model_validate(file_for(bootstrap, topic, form, fetch))


def file_for(bootstrap: str, topic: str, form: str, fetch: str = "messages") -> dict[str, Any]:
    """Return the contents of its lapse.yaml."""
    group = fresh_name("bench")
    names = ("contacts", "reminders", "delivery_status", "opt_outs", "dead_letters", "state")
    return {
        "kafka": {"bootstrap_servers": bootstrap, "group_prefix": group, "instance": "bench"},
        "topics": {name: f"{group}-{name}" for name in names},
        "source": {"topic": topic, "format": form, "backfill": "1d", "fetch": fetch},
        "processes": {name: {"action": name, "remind_after": ["24h", "72h"]} for name in PROCESSES}
        | {LAPSING: {"action": "your quote", "remind_after": ["30m"]}},
        "detect": {"commit_interval": "1s", "brake": {"share_of_mean": None}},
    }


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


class CaughtUp(NamedTuple):
    """Seconds by the clock and of this process's CPU, for all records; and seconds of the longest turn."""

    seconds: float
    cpu_s: float
    longest_turn_s: float


def catch_up(settings: Settings) -> float:
    """Seconds in which detect reads, applies and commits all there is."""
    return catch_up_with_reminders(settings, 0).seconds


def catch_up_with_reminders(settings: Settings, expected: int, already_read: int = 0) -> CaughtUp:
    """Have detect read, apply and commit all there is, and this many reminders.

    As with raw consume, the time begins with the first batch, and is scaled to all records. Once everything is read and
    asked for, detect is told to stop, which makes its last commit at once. Whoever waits for the commit's time instead
    adds half a second on average in which nothing is done, as much as half a million events take.
    """
    shared = Shared(settings)
    topics.prepare(shared.admin, settings.topics, settings.state_topic, settings.source.topic)
    ends = partition_offsets.fetch_all(shared.admin, settings.source.topic)
    loop, stop, count = detect.build(shared), threading.Event(), sum(ends.values()) - already_read
    turns, turn = time_turns(loop), loop.turn
    begun: list[tuple[float, float, float]] = []

    def watched() -> None:
        turn()
        unread = sum(ends.values()) - sum(task.position for task in loop.tasks.values())
        if not begun and len(loop.tasks) == len(ends) and unread < count:
            begun.append((time.perf_counter(), time.process_time(), count / max(1, unread)))
            turns.clear()  # of the time before: state was restored in one of them
        if begun and unread == 0 and written(shared) + sum(map(_uncommitted, loop.tasks.values())) >= expected:
            stop.set()

    loop.turn = watched  # type: ignore[method-assign]
    loop.run(stop)
    [(clock, cpu, share)] = begun
    return CaughtUp((time.perf_counter() - clock) * share, (time.process_time() - cpu) * share, max(turns))


def _uncommitted(task: PartitionTask) -> int:
    return task.uncommitted_reminders


def time_turns(loop: DetectLoop) -> list[float]:
    """Seconds of each turn, its poll included: for so long no other partition is looked after."""
    turns, turn = list[float](), loop.turn

    def timed() -> None:
        started = time.perf_counter()
        turn()
        turns.append(time.perf_counter() - started)

    loop.turn = timed  # type: ignore[method-assign]
    return turns


def written(shared: Shared) -> float:
    """Reminders of all kinds that were committed."""
    families = [family for family in shared.metrics.collect() if family.name == "lapse_reminders"]
    return sum(sample.value for family in families for sample in family.samples if sample.name.endswith("_total"))


if __name__ == "__main__":
    main()
