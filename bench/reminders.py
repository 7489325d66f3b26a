"""What a reminder costs: µs of processor time, stage by stage.

    python -m bench.reminders [--due 200000] [--written]

So many lapses are due at once: they are found, asked for in turns of 20,000, and encoded. With `--written` they are
produced and committed as well, a hundred thousand at a time, on a real broker, and the client's threads count. Told for
users whose names are of one length, without actions, and for names of several lengths of which half have an action.
"""

import argparse
import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np
import polars as pl
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from bench.events import LAPSING
from bench.stages import Stages
from bench.state import RULES, START
from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import HOUR, MINUTE, ManualClock
from consumer.config.sections.kafka import KafkaSettings
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import Processes
from consumer.detect.reminder_batch import ReminderBatch
from consumer.detect.table import Table
from consumer.kafka.clients.output import OutputBatch
from consumer.kafka.detect_loop.reminder_encoder import ReminderEncoder
from consumer.wiring import detect
from tests.broker.find import running_kafka
from tests.broker.topics import create_topics

_TOPIC = "reminders"
_TURN = 20_000
_TURNS_A_COMMIT = 5
_STAGES = ["find", "ask", "encode"]
Write: TypeAlias = Callable[[list[OutputBatch]], object]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--due", type=int, default=200_000)
    arguments.add_argument("--written", action="store_true")
    asked = arguments.parse_args()
    if not asked.written:
        _report(asked.due, _STAGES, lambda outputs: None)
        return
    with running_kafka() as bootstrap:
        create_topics(AdminClient({"bootstrap.servers": bootstrap}), [NewTopic(_TOPIC, 1, 1)])
        producer = detect.producer(KafkaSettings(bootstrap_servers=bootstrap), "bench")
        producer.take_over()
        _report(asked.due, [*_STAGES, "write"], producer.write)
        producer.close()


def _report(due: int, names: Sequence[str], write: Write) -> None:
    print(f"{'':24} " + " ".join(f"{stage:>8}" for stage in (*names, "all")) + "   µs a reminder")
    for name, uneven in (("names of one length", False), ("of several, with actions", True)):
        _measure(due, uneven, Stages(), write)  # to warm up
        stages = Stages()
        _measure(due, uneven, stages, write)
        columns = [stages.spent[stage] / due * 1e6 for stage in names]
        print(f"{name:24} " + " ".join(f"{one:8.2f}" for one in [*columns, sum(columns)]), flush=True)


def _measure(due: int, uneven: bool, stages: Stages, write: Write) -> None:
    rules = replace(RULES, ladders={LAPSING: (30 * MINUTE,)})
    table = Table(Processes(rules))
    encoder = ReminderEncoder(RecordCodec(WriterSchemas(ManualClock())), _TOPIC)
    for first in range(0, due, _TURN):
        table.apply(_activities(table, np.arange(first, min(due, first + _TURN)), uneven), START)
    gc.collect()
    stages.time("find", lambda: table.find_lapses(START, START))
    while table.waiting:
        outputs: list[OutputBatch] = []
        for _ in range(_TURNS_A_COMMIT):
            for batch in stages.time("ask", _asking(table)):
                outputs.append(OutputBatch(_TOPIC, 0, *stages.time("encode", partial(encoder.encode_batch, batch))))
        stages.time("write", partial(write, outputs))


def _asking(table: Table) -> Callable[[], list[ReminderBatch]]:
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
