"""What a reminder costs before it reaches the producer: µs of processor time, stage by stage, without a broker.

    python -m bench.reminders [--due 200000]

So many lapses are due at once: they are found, asked for in turns of 20,000, and encoded. Told for users whose names
are of one length, without actions, and for names of several lengths of which half have an action.
"""

import argparse
import gc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from bench.events import LAPSING
from bench.stages import Stages
from bench.state import RULES, START
from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import HOUR, MINUTE, ManualClock
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import Processes
from consumer.detect.table import Table
from consumer.kafka.detect_loop.reminder_encoder import ReminderEncoder

_TURN = 20_000
_STAGES = ("find", "ask", "encode")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--due", type=int, default=200_000)
    due = arguments.parse_args().due
    print(f"{'':24} " + " ".join(f"{stage:>8}" for stage in (*_STAGES, "all")) + "   µs a reminder")
    for name, uneven in (("names of one length", False), ("of several, with actions", True)):
        _measure(due, uneven, Stages())  # to warm up
        stages = Stages()
        _measure(due, uneven, stages)
        columns = [stages.spent[stage] / due * 1e6 for stage in _STAGES]
        print(f"{name:24} " + " ".join(f"{one:8.2f}" for one in [*columns, sum(columns)]), flush=True)


def _measure(due: int, uneven: bool, stages: Stages) -> None:
    rules = replace(RULES, ladders={LAPSING: (30 * MINUTE,)})
    table = Table(Processes(rules))
    encoder = ReminderEncoder(RecordCodec(WriterSchemas(ManualClock())), "reminders")
    for first in range(0, due, _TURN):
        table.apply(_activities(table, np.arange(first, min(due, first + _TURN)), uneven), START)
    gc.collect()
    stages.time("find", lambda: table.find_lapses(START, START))
    while table.waiting:
        for batch in stages.time("ask", _asking(table)):
            stages.time("encode", lambda batch=batch: encoder.encode_batch(batch))  # type: ignore[misc]


def _asking(table: Table) -> Callable[[], list]:  # type: ignore[type-arg]
    return lambda: table.ask_for_lapses(START, START, _TURN).asked


def _activities(table: Table, who: np.ndarray, uneven: bool) -> ActivityBatch:
    numbers = pl.Series(who).cast(pl.String)
    actions = pl.Series([None, "your passport"], dtype=pl.String).gather(who % 2 if uneven else 0 * who)
    frame = pl.DataFrame(
        {
            "user_id": "lapser-" + (numbers if uneven else numbers.str.zfill(7)),
            "process": pl.Series([LAPSING]).new_from_index(0, who.size),
            "ending": np.zeros(who.size, np.uint8),
            "action": actions,
            "occurred_at": START - HOUR + who // 1000,
            "written_at": START - HOUR + who // 1000,
        }
    )
    return ActivityBatch.of(frame, table.processes.known)


if __name__ == "__main__":
    main()
