"""Records that were handed out while nothing may be read are handed out again, each once, and none is passed over."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client import CollectorRegistry

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import ManualClock
from consumer.detect.brake import BrakeRules
from consumer.detect.table import Table
from consumer.kafka.changelog.restore import Start
from consumer.kafka.changelog.writer import ChangelogWriter
from consumer.kafka.detect_loop.batch_builder import BatchBuilder
from consumer.kafka.detect_loop.batch_processing import BatchProcessor
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics
from tests.app.service import eventually
from tests.broker.topics import FreshTopics, fresh_name
from tests.kafka.test_large_commit import RULES

COUNT = 200


def handed_out(consumer: Consumer, count: int) -> BatchBuilder:
    gathered = BatchBuilder()
    eventually(lambda: _more(consumer, gathered, count), meaning=f"{count} records handed out")
    return gathered


def _more(consumer: Consumer, gathered: BatchBuilder, count: int) -> bool:
    gathered.add([message for message in consumer.consume(count - gathered.count, 1) if not message.error()])
    return gathered.count == count


@pytest.fixture
def topic(kafka: str, topics: FreshTopics) -> str:
    name = topics(1)
    producer = Producer({"bootstrap.servers": kafka})
    for n in range(COUNT):
        producer.produce(name, b"%d" % n, partition=0)
    assert producer.flush(30) == 0
    return name


def test_what_came_while_a_commit_must_be_repeated_is_read_afterwards(kafka: str, topic: str) -> None:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": fresh_name("group"), "enable.auto.commit": False})
    clock, metrics, spot = ManualClock(), DetectMetrics(CollectorRegistry()), TopicPartition(topic, 0)
    decoder = ActivityDecoder(AvroReader(WriterSchemas(clock)))
    brake_control = BrakeControl(BrakeRules(), clock, metrics)
    reading = BatchProcessor(
        consumer, decoder, topic=topic, dead_letters="dead", brake_control=brake_control, clock=clock, metrics=metrics
    )
    start = Start(Table(RULES), ChangelogWriter("group", RULES.ladders), 0, None, first=True)
    partition = PartitionTask(0, start, encode=lambda reminder: b"", reminders_topic="reminders", state_topic="state")
    consumer.assign([TopicPartition(topic, 0, 0)])
    reading.process(handed_out(consumer, 50).build(), {}, {0: partition})
    assert partition.position == 50
    passed_by = handed_out(consumer, 50).build()
    assert passed_by.records.offsets[0] == 50
    consumer.pause([spot])
    reading.discard(passed_by, {0: partition})
    assert partition.position == 50
    consumer.resume([spot])
    again = handed_out(consumer, COUNT - 50).build()
    assert again.records.offsets.tolist() == list(range(50, COUNT))
    reading.process(again, {}, {0: partition})
    assert partition.position == COUNT
    assert len(partition.outputs) == COUNT, "they mean nothing to us, and each is set aside once"
    consumer.close()
