"""Both outboxes against a broker whose topics take no large records."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SystemClock
from consumer.config.sections.kafka import KafkaSettings, TopicSettings
from consumer.deliver.leader_lease import LeaderLease
from consumer.deliver.outbox import OPT_OUTS, OutboxPublisher
from consumer.kafka.clients.exclusive_publisher import ExclusivePublisher
from consumer.kafka.clients.publisher import PublishFailed
from consumer.ledger import queries
from consumer.ledger.schema.tables import opt_out_outbox
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.wiring.deliver.outbox import KafkaRecordWriter
from tests.broker.topics import FreshTopics, fresh_name
from tests.ledger.databases import unused_sqlite

LARGE = "x" * 2_000
"""More than intake lets through: as an older ledger may hold it."""


def written(kafka: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "reader", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = [message.key() or b"" for message in consumer.consume(count, 10) + consumer.consume(1, 0.3)]
    consumer.close()
    return [key if isinstance(key, bytes) else key.encode() for key in found]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(unused_sqlite(tmp_path))


def test_record_that_the_broker_refuses_is_set_aside_and_the_others_go_on(
    kafka: str, topics: FreshTopics, ledger: Ledger
) -> None:
    topic, clock = topics(1, config={"max.message.bytes": "1500"}), SystemClock()
    publisher = OutboxPublisher(
        ledger,
        [OPT_OUTS],
        KafkaRecordWriter(
            ExclusivePublisher(KafkaSettings(bootstrap_servers=kafka), name=fresh_name("outbox")),
            RecordCodec(WriterSchemas(clock)),
            TopicSettings(opt_outs=topic),
            clock.now,
        ),
        LeaderLease(ledger, "outbox", holder="one", clock=clock),
        DeliverMetrics(CollectorRegistry()),
    )

    def opts_out(*users: str) -> None:
        for user in users:
            with ledger.transaction() as connection:
                queries.outbox.insert_opt_outs(
                    connection, [f"user:{user}"], "whatsapp", "asked_to_stop", "webhook", clock.now()
                )

    opts_out(LARGE)
    with pytest.raises(PublishFailed, match="does not take a record"):
        publisher.step()  # alone it may be the topic that is wrong
    opts_out(*(f"user-{n}" for n in range(40)), LARGE + "y", "user-40")
    while not publisher.step():  # the lease was left to others for a moment
        continue
    assert written(kafka, topic, 41) == [f"user-{n}".encode() for n in range(41)]
    with ledger.reading() as connection:
        o = opt_out_outbox.c
        aside = connection.execute(select(o.subject, o.refused_because).where(~o.published)).all()
    assert [tuple(row) for row in aside] == [(f"user:{each}", "MSG_SIZE_TOO_LARGE") for each in (LARGE, LARGE + "y")]
    assert publisher.step() == 0
    publisher.close()
    ledger.close()
