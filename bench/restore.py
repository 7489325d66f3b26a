"""Restoring a partition from a topic that compaction has not cleaned, beside raw `consume` of the same bytes.

    python -m bench.restore [--keys 1000000] [--turns 60]

All users come once, a hundred thousand to a commit, then a share of them again and again, fifty thousand to a commit;
every commit is a transaction on a real broker. Then the partition is opened as it is at an assignment: its offsets are
asked for, the topic is read from its first record to its last, and the table is made. Raw `consume` has the same
client settings and does nothing with what it gets. They take turns; the median is told.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable

import numpy as np
from confluent_kafka import TopicPartition

from bench.state import BATCH
from bench.topic import StateTopic
from consumer import log
from consumer.config.sections.service import LogSettings
from consumer.detect.row_loops import PLAIN_LOOPS
from consumer.kafka.clients import partition_offsets
from consumer.wiring import detect
from tests.broker.find import running_kafka
from tests.broker.topics import fresh_name

ROUNDS = 5


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--keys", type=int, default=1_000_000)
    arguments.add_argument("--turns", type=int, default=60)
    asked = arguments.parse_args()
    log.configure(LogSettings(level="warning"))
    with running_kafka() as bootstrap:
        topic = StateTopic(bootstrap)
        chance = np.random.default_rng(1)
        for first in range(0, asked.keys, BATCH):
            topic.commit(np.arange(first, min(first + BATCH, asked.keys)))
        for _ in range(asked.turns):
            topic.commit(chance.integers(0, asked.keys, BATCH // 2))
        topic.close()
        print(f"{topic.records} records, {topic.bytes / 1e6:.0f} MB, of {asked.keys:,} keys", flush=True)
        rounds = [(_timed(lambda: _raw(topic)), _timed(lambda: _restore(topic))) for _ in range(ROUNDS)]
    for name, took in zip(("raw consume", "restore"), zip(*rounds, strict=True), strict=True):
        wall, cpu = (statistics.median(figures) for figures in zip(*took, strict=True))
        rate = asked.keys / wall / 1e6
        print(f"{name:12} {rate:6.2f} million keys a second, {cpu / asked.keys * 1e6:.2f} µs of this process a key")
    ratio = statistics.median(raw / restore for (raw, _), (restore, _) in rounds)
    print(f"restore / raw consume: {ratio:.2f}")


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and seconds of this process's time."""
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - cpu


def _raw(topic: StateTopic) -> None:
    state = topic.settings.state_topic
    end = partition_offsets.fetch(topic.shared.admin, state, 0, timeout_s=5)
    consumer = detect.consumer(topic.settings.kafka, {"group.id": fresh_name("raw"), "fetch.wait.max.ms": 10})
    consumer.assign([TopicPartition(state, 0, 0)])
    position = seen = 0
    while position < end:
        for message in consumer.consume(500, 0.05):
            seen += not message.error()
            position = (message.offset() or 0) + (not message.error())
    consumer.close()
    assert seen == topic.records, "compaction was at work: another run, please"


def _restore(topic: StateTopic) -> None:
    start = detect.restorer(topic.shared, PLAIN_LOOPS).open(0, topic.offset, threading.Event())
    assert len(start.table) == len(topic.table)


if __name__ == "__main__":
    main()
