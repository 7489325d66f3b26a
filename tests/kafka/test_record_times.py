"""Whatever a record says of when it was written: it is heard, and the state that is written then can be restored."""

import numpy as np
import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import HOUR, ManualClock
from consumer.detect.brake import BrakeRules
from consumer.detect.lapse_rules import Processes
from consumer.detect.row_loops import PLAIN_LOOPS
from consumer.detect.table import Table
from consumer.kafka.changelog.reader import ChangelogReader
from consumer.kafka.changelog.restore import Start
from consumer.kafka.clients.output import Output
from consumer.kafka.dead_letters.size_limit import SizeLimit
from consumer.kafka.detect_loop.batch_builder import RecordBatch, Records
from consumer.kafka.detect_loop.batch_processor import BatchProcessor
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.kafka.detect_loop.decoding import FrameDecoding
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics
from tests.activity.writing import FIELDS, NOON, event, framed, record
from tests.detect.hearing import ENCODER, new_writer
from tests.kafka.test_large_commit import RULES

PLAIN = record(FIELDS)
NOWHERE: dict[str, str | int | float | bool] = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}


@pytest.mark.parametrize("timestamp", [-1, 0, -(2**63), NOON + HOUR, 2**62, 2**63 - HOUR, 2**63 - 1])
def test_a_first_batch_is_heard_and_restored(timestamp: int) -> None:
    clock, metrics, processes = ManualClock(NOON), DetectMetrics(CollectorRegistry()), Processes(RULES)
    task = PartitionTask(
        0,
        Start(Table(processes), new_writer("group", RULES.ladders), 0, None, first=True),
        encoder=ENCODER,
        reminders_topic="reminders",
        state_topic="state",
    )
    processor = BatchProcessor(
        Consumer({**NOWHERE, "group.id": "none"}),
        FrameDecoding(ActivityDecoder(AvroReader(WriterSchemas(clock, others=[PLAIN]))), PLAIN_LOOPS),
        topic="activity",
        dead_letters="dead",
        dead_letter_limit=SizeLimit(AdminClient(NOWHERE), "dead", clock),
        brake_control=BrakeControl(BrakeRules(), clock, metrics),
        clock=clock,
        metrics=metrics,
    )
    records = Records(np.arange(1), np.array([timestamp]), [b"ann"], [framed(PLAIN, event(occurred_at=NOON - 5))])
    processor.process(RecordBatch({0: [(records, 0, 1)]}, {0: 1}), {0: task})
    reader = ChangelogReader("group", processes)
    for output in task.build_outputs(NOON):
        assert isinstance(output, Output), "no reminder is asked for"
        reader.feed(output.key, output.value, output.headers)
    restored = reader.finish()
    assert restored is not None
    assert restored.table.store.last_seen[restored.table.store.live_rows()].tolist() == [NOON - 5]
    volume = restored.writer.lineage.volume
    assert volume is not None
    assert sum(volume.counts) == 1
    assert NOON - HOUR < volume.since <= NOON
