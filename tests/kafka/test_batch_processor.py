"""Records that the consumer returns while nothing may be read are returned again later: each once, none skipped."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import ManualClock
from consumer.detect.brake import BrakeRules
from consumer.detect.lapse_rules import Processes
from consumer.detect.row_loops import PLAIN_LOOPS
from consumer.detect.table import Table
from consumer.kafka.changelog.restore import Start
from consumer.kafka.dead_letters.size_limit import SizeLimit
from consumer.kafka.detect_loop.batch_builder import BatchBuilder
from consumer.kafka.detect_loop.batch_processor import BatchProcessor
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.kafka.detect_loop.decoding import FrameDecoding
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics
from tests.app.service import eventually
from tests.broker.topics import FreshTopics, fresh_name
from tests.detect.hearing import ENCODER, new_writer
from tests.kafka.test_large_commit import RULES

COUNT = 200


def polled(consumer: Consumer, count: int) -> BatchBuilder:
    builder = BatchBuilder()
    eventually(lambda: _add_more(consumer, builder, count), meaning=f"{count} records polled")
    return builder


def _add_more(consumer: Consumer, builder: BatchBuilder, count: int) -> bool:
    builder.add([message for message in consumer.consume(count - builder.count, 1) if not message.error()])
    return builder.count == count


@pytest.fixture
def topic(kafka: str, topics: FreshTopics) -> str:
    name = topics(1)
    producer = Producer({"bootstrap.servers": kafka})
    for n in range(COUNT):
        producer.produce(name, b"%d" % n, partition=0)
    assert producer.flush(30) == 0
    return name


def test_rewound_records_are_read_again_in_order(kafka: str, topic: str) -> None:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": fresh_name("group"), "enable.auto.commit": False})
    clock, metrics, topic_partition = ManualClock(), DetectMetrics(CollectorRegistry()), TopicPartition(topic, 0)
    decoder = ActivityDecoder(AvroReader(WriterSchemas(clock)))
    brake_control = BrakeControl(BrakeRules(), clock, metrics)
    processor = BatchProcessor(
        consumer,
        FrameDecoding(decoder, PLAIN_LOOPS),
        topic=topic,
        dead_letters="dead",
        dead_letter_limit=SizeLimit(AdminClient({"bootstrap.servers": kafka}), "dead", clock),
        brake_control=brake_control,
        clock=clock,
        metrics=metrics,
    )
    start = Start(Table(Processes(RULES)), new_writer("group", RULES.ladders), 0, None, first=True)
    task = PartitionTask(0, start, encoder=ENCODER, reminders_topic="reminders", state_topic="state")
    consumer.assign([TopicPartition(topic, 0, 0)])
    processor.process(polled(consumer, 50).build(), {0: task})
    assert task.position == 50
    skipped = polled(consumer, 50).build()
    assert skipped.records.offsets[0] == 50
    consumer.pause([topic_partition])
    processor.rewind(skipped, {0: task})
    assert task.position == 50
    consumer.resume([topic_partition])
    again = polled(consumer, COUNT - 50).build()
    assert again.records.offsets.tolist() == list(range(50, COUNT))
    processor.process(again, {0: task})
    assert task.position == COUNT
    assert len(task.outputs) == COUNT, "none can be decoded, and each is one dead letter"
    consumer.close()
