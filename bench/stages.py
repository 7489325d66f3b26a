"""Where detect's time goes: microseconds of processor time for each event, stage by stage, without a broker.

    python -m bench.stages [--events 1000000] [--users 268000] [--keys 10000 268000 1000000] [--compiled]

The first table goes through batch sizes, the second through numbers of keys. Each is one partition that has heard of
all its keys before, and hears of them again; a commit follows every half million events. What Kafka's client adds
(fetching, and an object for each record) is in `bench.detect`. With `--compiled` each line is followed by one with
compiled loops over rows, as with `source.fetch: columns`.
"""

import argparse
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from bench.events import events
from bench.state import RULES, START
from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SECOND, ManualClock
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import Processes
from consumer.detect.row_loops import PLAIN_LOOPS, RowLoops
from consumer.detect.table import Table
from tests.detect.hearing import new_writer

COMMIT_EVERY = 500_000
T = TypeVar("T")


@dataclass
class Stages:
    """Seconds of processor time by stage."""

    spent: dict[str, float] = field(default_factory=dict)

    def time(self, stage: str, work: Callable[[], T]) -> T:
        begun = time.process_time()
        done = work()
        self.spent[stage] = self.spent.get(stage, 0.0) + time.process_time() - begun
        return done


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--users", type=int, default=268_000)
    arguments.add_argument("--batches", type=int, nargs="*", default=[500, 5_000, 20_000, 50_000])
    arguments.add_argument("--keys", type=int, nargs="*", default=[10_000, 268_000, 1_000_000])
    arguments.add_argument("--compiled", action="store_true")
    asked = arguments.parse_args()
    kinds = {"": PLAIN_LOOPS}
    if asked.compiled:
        from consumer.detect.compiled_row_loops import CompiledRowLoops

        kinds[", compiled"] = CompiledRowLoops()
    print(f"{'':28} {'decode':>8} {'prepare':>8} {'apply':>8} {'notice':>8} {'commit':>8} {'all':>8}   µs an event")
    for batch in asked.batches:
        for kind, loops in kinds.items():
            report(f"batches of {batch:,}{kind}", asked.events, asked.users, batch, loops)
    for keys in asked.keys:
        for kind, loops in kinds.items():
            report(f"{keys:,} keys{kind}", asked.events, keys, 50_000, loops)


def report(name: str, count: int, users: int, batch: int, loops: RowLoops) -> None:
    spent = measure(count, users, batch, loops).spent
    columns = [spent[stage] / count * 1e6 for stage in ("decode", "prepare", "apply", "notice", "commit")]
    print(f"{name:28} " + " ".join(f"{one:8.2f}" for one in [*columns, sum(columns)]), flush=True)


def measure(count: int, users: int, batch: int, loops: RowLoops) -> Stages:
    decoder = ActivityDecoder(AvroReader(WriterSchemas(ManualClock())))
    table, writer, stages = Table(Processes(RULES), loops=loops), new_writer("bench", RULES.ladders), Stages()
    known = [value for _, value in events(users, users, START - users, everyone=True)]
    for first in range(0, users, 50_000):
        hear(table, decoder, known[first : first + 50_000], Stages())
    writer.build_segments(table, 0, START)
    heard = [value for _, value in events(count, users, START, seed=2)]
    gc.collect()
    since = 0
    for first in range(0, count, batch):
        values = heard[first : first + batch]
        hear(table, decoder, values, stages)
        clock = START + first
        stages.time("notice", lambda clock=clock: table.advance_to(clock, clock))  # type: ignore[misc]
        since += len(values)
        if since >= COMMIT_EVERY or first + batch >= count:
            stages.time("commit", lambda clock=clock: writer.build_segments(table, clock, clock))  # type: ignore[misc]
            since = 0
    return stages


def hear(table: Table, decoder: ActivityDecoder, values: list[bytes], stages: Stages) -> None:
    now = START + 3_600 * SECOND
    stamps = np.full(len(values), now)
    frame = stages.time("decode", lambda: decoder.decode(values, stamps, now)).frame
    heard = stages.time("prepare", lambda: ActivityBatch.of(frame, table.processes.known))
    stages.time("apply", lambda: table.apply(heard, now))


if __name__ == "__main__":
    main()
