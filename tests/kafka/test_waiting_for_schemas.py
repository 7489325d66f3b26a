"""Partitions whose schema the registry has not told yet wait, each record of theirs is read once, the others go on."""

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.errors import RegistryUnavailable
from consumer.activity.schemas.avro_schema import WriterSchema
from consumer.activity.schemas.background_registry import BackgroundRegistry
from consumer.activity.schemas.framing import registry_header
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SECOND, ManualClock
from consumer.detect.brake import BrakeRules
from consumer.detect.lapse_rules import Processes
from consumer.detect.row_loops import PLAIN_LOOPS
from consumer.detect.table import Table
from consumer.kafka.changelog.restore import Start
from consumer.kafka.dead_letters.size_limit import SizeLimit
from consumer.kafka.detect_loop.batch_processor import BatchProcessor
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.kafka.detect_loop.decoding import FrameDecoding
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics
from tests.activity.writing import FIELDS, NOON, body, event, framed, record
from tests.broker.topics import FreshTopics, fresh_name
from tests.detect.hearing import ENCODER, new_writer
from tests.kafka.test_batch_processor import polled
from tests.kafka.test_large_commit import RULES

PLAIN = record(FIELDS)


class Registry:
    """Refuses until it is repaired."""

    is_repaired = False

    def find(self, schema_id: int) -> WriterSchema | None:
        if not self.is_repaired:
            raise RegistryUnavailable("the Schema Registry answered 403")
        return PLAIN


def test_one_partition_waits_and_the_other_goes_on(kafka: str, topics: FreshTopics) -> None:
    topic, clock, registry, metrics = topics(2), ManualClock(NOON), Registry(), DetectMetrics(CollectorRegistry())
    producer = Producer({"bootstrap.servers": kafka})
    for user in ("ann", "bob", "eve"):
        producer.produce(topic, registry_header(7) + body(PLAIN, event(user_id=user)), partition=0)
        producer.produce(topic, framed(PLAIN, event(user_id=user)), partition=1)
    assert producer.flush(30) == 0
    background = BackgroundRegistry(registry, clock, start=lambda run: None)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": fresh_name("group"), "enable.auto.commit": False})
    processor = BatchProcessor(
        consumer,
        FrameDecoding(ActivityDecoder(AvroReader(WriterSchemas(clock, background, [PLAIN]))), PLAIN_LOOPS),
        topic=topic,
        dead_letters="dead",
        dead_letter_limit=SizeLimit(AdminClient({"bootstrap.servers": kafka}), "dead", clock),
        brake_control=BrakeControl(BrakeRules(), clock, metrics),
        clock=clock,
        metrics=metrics,
    )
    tasks = {
        number: PartitionTask(
            number,
            Start(Table(Processes(RULES)), new_writer("group", RULES.ladders), 0, None, first=True),
            encoder=ENCODER,
            reminders_topic="reminders",
            state_topic="state",
        )
        for number in (0, 1)
    }
    consumer.assign([TopicPartition(topic, number, 0) for number in tasks])

    processor.process(polled(consumer, 6).build(), tasks)
    background.look_up_next()
    assert (tasks[0].position, tasks[1].position) == (0, 3)
    assert "has not answered yet" in processor.waiting[0]
    clock.advance(SECOND)
    processor.process(polled(consumer, 0).build(), tasks)
    processor.process(polled(consumer, 3).build(), tasks)
    assert processor.waiting == {0: "the Schema Registry answered 403"}, "it says so until a batch was read"
    assert tasks[0].position == 0

    registry.is_repaired = True
    clock.advance(SECOND)
    background.look_up_next()
    processor.process(polled(consumer, 0).build(), tasks)
    processor.process(polled(consumer, 3).build(), tasks)
    assert (processor.waiting, tasks[0].position, tasks[0].outputs) == ({}, 3, [])
    consumer.close()
