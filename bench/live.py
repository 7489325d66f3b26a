"""Keeping up: what detect costs at a steady rate, and how long after a lapse its reminder can be read.

    python -m bench.live [--rate 50000] [--seconds 20]

Two events in a hundred come from people who are never heard of again, so each of them is a lapse a moment later; the
others come from people who stay busy. Latency is from the moment of the lapse until a read_committed
reader has the reminder. `lapse run --role detect` is a process of its own; the processor
time is the system's account of it, the producer's and the broker's are not in it.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import yaml
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from bench.events import text, varint
from bench.measured_replica import cpu_of
from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.avro_schema import own, single_object_header
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SystemClock
from consumer.records import Reminder, ReminderKind, UserActivity
from tests.broker.find import running_kafka
from tests.broker.topics import fresh_name

QUIET_FOR = 5_000
BUSY = 20_000
GONE = "gone-"
TICK = 0.05


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rate", type=int, default=50_000)
    arguments.add_argument("--seconds", type=int, default=20)
    asked = arguments.parse_args()
    with running_kafka() as bootstrap, tempfile.TemporaryDirectory() as folder:
        names = fresh_name("live")
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for made in admin.create_topics(
            [NewTopic(f"{names}-{topic}", 4, 1) for topic in ("activity", "reminders")]
        ).values():
            made.result()
        process = _start(bootstrap, names, Path(folder))
        stop, ready = threading.Event(), threading.Event()
        found: list[int] = []
        reading = threading.Thread(target=_read, daemon=True, args=(bootstrap, names, stop, ready, found))
        reading.start()
        if not ready.wait(60):
            sys.exit("detect has told no clock within a minute")
        cpu, begun = cpu_of(process.pid), time.monotonic()
        _produce(bootstrap, f"{names}-activity", asked.rate, asked.seconds)
        share = (cpu_of(process.pid) - cpu) / (time.monotonic() - begun)
        expected = len(range(50, asked.rate * asked.seconds + 1, 50))
        deadline = time.monotonic() + QUIET_FOR / 1000 + 30
        while len(found) < expected and time.monotonic() < deadline:
            time.sleep(0.1)
        stop.set()
        reading.join()
        process.terminate()
        process.wait()
        print(f"{asked.rate:,} events a second for {asked.seconds} s: {share:.2f} of one core")
        p50, p99 = np.percentile(found, [50, 99])
        print(f"{len(found):,} reminders of {expected:,} lapses; lapse to reader p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def _start(bootstrap: str, names: str, folder: Path) -> "subprocess.Popen[bytes]":
    topics = ("contacts", "reminders", "delivery_status", "opt_outs", "dead_letters", "state")
    settings = {
        "kafka": {"bootstrap_servers": bootstrap, "group_prefix": names, "instance": "live"},
        "topics": {topic: f"{names}-{topic}" for topic in topics},
        "source": {"topic": f"{names}-activity", "backfill": "1h"},
        "processes": {"checkout": {"action": "your order", "remind_after": [f"{QUIET_FOR}ms"]}},
        "detect": {"commit_interval": "1s", "allowed_lateness": "0s"},
        "web": {"port": 0},
        "log": {"level": "warning"},
    }
    file = folder / "lapse.yaml"
    file.write_text(yaml.safe_dump(settings))
    return subprocess.Popen([sys.executable, "-m", "consumer.cli", "run", "--role", "detect", "--config", str(file)])


def _produce(bootstrap: str, topic: str, rate: int, seconds: int) -> None:
    """Evenly, a twentieth of a second at a time."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    head = single_object_header(own(UserActivity)) + text("e")
    tail = text("checkout") + varint(1) + varint(0)
    busy = [(name.encode(), head + text(name) + tail) for name in (f"busy-{n:06d}" for n in range(BUSY))]
    each, sent, begun = int(rate * TICK), 0, time.monotonic()
    for turn in range(int(seconds / TICK)):
        now = varint(SystemClock().now())
        for _ in range(each):
            sent += 1
            if sent % 50:
                key, body = busy[sent * 7919 % BUSY]
            else:
                name = f"{GONE}{sent:09d}"
                key, body = name.encode(), head + text(name) + tail
            producer.produce(topic, body + now, key)
        producer.poll(0)
        time.sleep(max(0.0, begun + (turn + 1) * TICK - time.monotonic()))
    producer.flush()


def _read(bootstrap: str, names: str, stop: threading.Event, ready: threading.Event, found: list[int]) -> None:
    clock = SystemClock()
    codec = RecordCodec(WriterSchemas(clock))
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": fresh_name("reader"),
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
        }
    )
    consumer.subscribe([f"{names}-reminders"])
    while not stop.is_set():
        for message in consumer.consume(5_000, 0.02):
            value = message.value()
            if message.error() is None and value is not None:
                reminder = codec.decode(Reminder, value)
                ready.set()  # a clock was told: the partitions are open
                gone = (reminder.user_id or "").startswith(GONE)  # (the busy ones go quiet too, when all is over)
                if gone and reminder.kind is ReminderKind.DUE and reminder.lapsed_at is not None:
                    found.append(clock.now() - reminder.lapsed_at)
    consumer.close()


if __name__ == "__main__":
    main()
