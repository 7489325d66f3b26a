"""Where detect's time goes: microseconds of processor time for each event, stage by stage, without a broker.

    python -m bench.stages [--events 1000000] [--users 268000] [--keys 10000 268000 1000000] [--compiled]

The first table goes through batch sizes, the second through numbers of keys. Each is one partition that has heard of
all its keys before, and hears of them again; a commit follows every half million events. What Kafka's client adds
(fetching, and an object for each record) is in `bench.detect`. With `--compiled` each line is followed by one with
values in one piece, and with compiled loops, as with `source.fetch: columns`.
"""

import argparse
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np

from bench.events import events
from bench.state import RULES, START
from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.byte_columns.column import ByteColumn
from consumer.clock import SECOND, ManualClock
from consumer.detect.lapse_rules import Processes
from consumer.detect.row_loops import PLAIN_LOOPS, RowLoops
from consumer.detect.table import Table
from consumer.kafka.detect_loop.batch_builder import Records
from consumer.kafka.detect_loop.decoding import Decoding, FrameDecoding
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
    kinds = {"": plain()} | ({", compiled": compiled()} if asked.compiled else {})
    print(f"{'':28} {'decode':>8} {'apply':>8} {'notice':>8} {'commit':>8} {'all':>8}   µs an event")
    for batch in asked.batches:
        for kind, way in kinds.items():
            report(f"batches of {batch:,}{kind}", asked.events, asked.users, batch, way)
    for keys in asked.keys:
        for kind, way in kinds.items():
            report(f"{keys:,} keys{kind}", asked.events, keys, 50_000, way)


class Way(NamedTuple):
    """How detect works."""

    loops: RowLoops
    decode: Decoding
    column_of: Callable[[Sequence[bytes]], Sequence[bytes | None]]


def plain() -> Way:
    return Way(PLAIN_LOOPS, FrameDecoding(ActivityDecoder(AvroReader(WriterSchemas(ManualClock()))), PLAIN_LOOPS), list)


def compiled() -> Way:
    from consumer.activity.column_decoder import ColumnDecoder
    from consumer.detect.compiled_row_loops import CompiledRowLoops
    from consumer.kafka.detect_loop.column_decoding import ColumnDecoding

    loops, avro = CompiledRowLoops(bytes(16)), AvroReader(WriterSchemas(ManualClock()))
    return Way(loops, ColumnDecoding(ColumnDecoder(avro, ActivityDecoder(avro)), loops), in_one_piece)


def in_one_piece(values: Sequence[bytes]) -> ByteColumn:
    lengths = np.array([len(value) for value in values], np.int64)
    return ByteColumn(np.frombuffer(b"".join(values), np.uint8), lengths)


def report(name: str, count: int, users: int, batch: int, way: Way) -> None:
    spent = measure(count, users, batch, way).spent
    columns = [spent[stage] / count * 1e6 for stage in ("decode", "apply", "notice", "commit")]
    print(f"{name:28} " + " ".join(f"{one:8.2f}" for one in [*columns, sum(columns)]), flush=True)


def measure(count: int, users: int, batch: int, way: Way) -> Stages:
    table, writer, stages = Table(Processes(RULES), loops=way.loops), new_writer("bench", RULES.ladders), Stages()
    known = [value for _, value in events(users, users, START - users, everyone=True)]
    for first in range(0, users, 50_000):
        hear(table, way, known[first : first + 50_000], Stages())
    writer.build_segments(table, 0, START)
    heard = [value for _, value in events(count, users, START, seed=2)]
    gc.collect()
    since = 0
    for first in range(0, count, batch):
        values = heard[first : first + batch]
        hear(table, way, values, stages)
        clock = START + first
        stages.time("notice", lambda clock=clock: table.advance_to(clock, clock))  # type: ignore[misc]
        since += len(values)
        if since >= COMMIT_EVERY or first + batch >= count:
            stages.time("commit", lambda clock=clock: writer.build_segments(table, clock, clock))  # type: ignore[misc]
            since = 0
    return stages


def hear(table: Table, way: Way, values: Sequence[bytes], stages: Stages) -> None:
    now, count = START + 3_600 * SECOND, len(values)
    records = Records(np.arange(count), np.full(count, now), (), way.column_of(values))
    read = stages.time("decode", lambda: way.decode(records, now, table.processes.known))
    stages.time("apply", lambda: table.apply(read.activities, now))


if __name__ == "__main__":
    main()
