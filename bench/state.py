"""Detect's memory and its state topic: bytes a key, restored keys a second, and how long commits take.

    python -m bench.state [--keys 5000000]

Keys arrive as a platform's users would: all of them once, then a share of them again and again, committed every
hundred thousand activities. Segments are kept as a topic would keep them before compaction has come by, and read back.
The broker's part of a restore is left out: `bench.restore` has it. Commits are told in processor time, of all threads:
the wall clock tells what else the machine does.
"""

import argparse
import gc
import resource
import statistics
import time

import numpy as np
import polars as pl

from bench.events import PROCESSES
from consumer.clock import DAY, HOUR, MINUTE, SECOND
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.detect.table import Table
from consumer.kafka.changelog.reader import ChangelogReader
from consumer.kafka.changelog.writer import ChangelogRecord, ChangelogWriter
from tests.detect.hearing import new_writer

BATCH = 100_000
START = 1_790_000_000_000
RULES = LapseRules(
    ladders=dict.fromkeys(PROCESSES, (24 * HOUR, 72 * HOUR)),
    allowed_lateness=30 * SECOND,
    settle=5 * MINUTE,
    clock_doubt=HOUR,
    hush=15 * MINUTE,
    expire_after=72 * HOUR,
    forget_after=30 * DAY,
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--keys", type=int, default=5_000_000)
    keys = arguments.parse_args().keys
    before = _resident()
    table, writer, topic = Table(Processes(RULES)), new_writer("bench", RULES.ladders), list[ChangelogRecord]()
    chance = np.random.default_rng(1)
    growing = [
        _commit(table, writer, topic, np.arange(first, min(first + BATCH, keys)), first)
        for first in range(0, keys, BATCH)
    ]
    commits = [_commit(table, writer, topic, chance.integers(0, keys, BATCH // 2), keys + turn) for turn in range(60)]
    gc.collect()
    print(f"keys {len(table):,}; table {table.nbytes / keys:.0f} bytes a key (arrays)")
    segments = sum(len(m.value or b"") for m in topic)
    print(f"process {(_resident() - before - segments) / keys:.0f} bytes a key (resident, less the segments kept here)")
    live = {m.key: len(m.value or b"") for m in topic}
    print(f"state topic {segments / 1e6:.0f} MB as written, {sum(live.values()) / keys:.0f} bytes a key compacted")
    _tell(f"commits of {BATCH:,} activities, all of new users", growing)
    _tell(f"commits of {BATCH // 2:,} activities", commits)
    _restore(topic, len(table))


def activities(table: Table, who: np.ndarray, at: int) -> ActivityBatch:
    """One of each of these users, named by number."""
    users = "user-" + pl.Series(who).cast(pl.String).str.zfill(8)
    names = pl.Series(PROCESSES)
    return ActivityBatch.of(
        pl.DataFrame(
            {
                "user_id": users,
                "process": names.gather(pl.Series(who % 3)),
                "ending": np.zeros(who.size, np.uint8),
                "action": pl.Series([None], dtype=pl.String).new_from_index(0, who.size),
                "occurred_at": np.full(who.size, START + at),
                "written_at": np.full(who.size, START + at),
            }
        ),
        table.processes.known,
    )


def _commit(
    table: Table, writer: ChangelogWriter, topic: list[ChangelogRecord], who: np.ndarray, at: int
) -> tuple[float, float]:
    """Apply one batch and write one commit; returns the seconds of processor time for both, and for the commit."""
    heard_of = activities(table, who, at)
    started = time.process_time()
    table.apply(heard_of, START)
    heard = time.process_time()
    topic += writer.build_segments(table, at, START + at)
    done = time.process_time()
    return done - started, done - heard


def _tell(what: str, took: list[tuple[float, float]]) -> None:
    for part, seconds in zip(("with applying them", "alone"), zip(*took, strict=True), strict=True):
        median, worst = statistics.median(seconds), max(seconds)
        print(
            f"{what}, {part}: median {median * 1e3:.0f} ms of processor time, worst {worst * 1e3:.0f}"
            f" ({worst / median:.1f} times the median)"
        )


def _restore(topic: list[ChangelogRecord], keys: int) -> None:
    reader = ChangelogReader("bench", Processes(RULES))
    started, cpu = time.perf_counter(), time.process_time()
    for message in topic:
        reader.feed(message.key, message.value, message.headers)
    restored = reader.finish()
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert restored is not None
    assert len(restored.table) == keys
    print(f"restored {keys / took / 1e6:.2f} million keys a second, {cpu / keys * 1e6:.2f} µs of processor time a key")


def _resident() -> int:
    gc.collect()
    with open("/proc/self/statm") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
