"""Bytes on a broker's disk for each key, while detect commits for long: that the state topic stays bounded.

    python -m bench.disk [--keys 200000] [--commits 600]

All users come, then a share of them again and again: every commit changes a twentieth of the rows and is a transaction
on a real broker, whose cleaner has work to do as in production but sooner: the topic is as `lapse topics --create`
makes it, with segments, lag and the memory of tombstones made 32 times smaller, so that minutes stand for hours. What
is on disk is the partition's log: what was cleaned, what was written since, and the active segment, which is never
cleaned. Bounded means that the last quarter of the run holds no more than the second did, while what was written goes
on growing. Needs a broker that keeps its files on this machine: Kafka's jars and a Java.

Seen with the defaults: 336 bytes a key written in 600 commits, 19 to 58 on disk whenever it was looked at.
With segments of full size add their 64 MB: a cleaner looks at none before it is full, or `max.compaction.lag.ms` old.
"""

import argparse
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from bench.state import BATCH
from bench.topic import StateTopic
from consumer import log
from consumer.config.sections.service import LogSettings
from tests.broker.find import own_broker
from tests.broker.local import LocalBroker

SMALLER = 32
LOOKS = 20
HURRY = {
    "segment.bytes": 64 * 1024 * 1024 // SMALLER,
    "max.compaction.lag.ms": 600_000 // SMALLER,
    "delete.retention.ms": 60_000 // SMALLER,
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--keys", type=int, default=200_000)
    arguments.add_argument("--commits", type=int, default=600)
    arguments.add_argument("--pace", type=float, default=0.2, help="seconds from one commit to the next")
    asked = arguments.parse_args()
    log.configure(LogSettings(level="warning"))
    with own_broker([LocalBroker]) as broker:
        assert isinstance(broker, LocalBroker)
        topic = StateTopic(broker.bootstrap)
        _hurry(topic)
        folder = broker.data / f"{topic.settings.state_topic}-0"
        for first in range(0, asked.keys, BATCH):
            topic.commit(np.arange(first, min(first + BATCH, asked.keys)))
        sizes = _run(topic, folder, asked.keys, asked.commits, asked.pace)
        topic.close()
    early, late = (max(sizes[LOOKS * n // 4 : LOOKS * (n + 1) // 4]) for n in (1, 3))
    print(f"most on disk: second quarter {early / asked.keys:.0f} bytes a key, last {late / asked.keys:.0f}")


def _run(topic: StateTopic, folder: Path, keys: int, commits: int, pace: float) -> list[int]:
    """Commit, and look at the disk now and then; returns the sizes seen."""
    chance, sizes = np.random.default_rng(1), list[int]()
    for turn in range(1, commits + 1):
        due = time.monotonic() + pace
        topic.commit(chance.integers(0, keys, keys // 20))
        if turn % (commits // LOOKS) == 0:
            sizes.append(_size(folder))
            print(
                f"{turn:6} commits: written {topic.bytes / keys:6.0f} bytes a key, on disk {sizes[-1] / keys:6.0f}",
                flush=True,
            )
        time.sleep(max(0.0, due - time.monotonic()))
    return sizes


def _size(folder: Path) -> int:
    """Of the segments. (One that the cleaner takes away meanwhile counts as gone.)"""
    size = 0
    for file in folder.glob("*.log"):
        with suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


def _hurry(topic: StateTopic) -> None:
    resource = ConfigResource(
        ResourceType.TOPIC,
        topic.settings.state_topic,
        incremental_configs=[
            ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET) for name, value in HURRY.items()
        ],
    )
    topic.shared.admin.incremental_alter_configs([resource])[resource].result()


if __name__ == "__main__":
    main()
