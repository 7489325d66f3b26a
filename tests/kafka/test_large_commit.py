"""A checkpoint that changes a million rows is accepted by a broker with default limits."""

import numpy as np
import polars as pl
from confluent_kafka import Consumer, TopicPartition

from consumer.config.sections.kafka import KafkaSettings
from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.detect.table import Table
from consumer.kafka.changelog.reader import ChangelogReader
from consumer.kafka.clients.output import Output
from consumer.wiring import detect
from tests.broker.topics import FreshTopics, fresh_name
from tests.detect.hearing import hear, new_writer
from tests.kafka.committed import committed

ROWS = 1_000_000
RULES = LapseRules(
    ladders={"checkout": (7_200_000,)},
    allowed_lateness=30_000,
    settle=300_000,
    clock_doubt=3_600_000,
    hush=900_000,
    expire_after=86_400_000,
    forget_after=30 * 86_400_000,
)


def test_million_rows_in_one_transaction(kafka: str, topics: FreshTopics) -> None:
    state, activity, group = topics(1, config={"cleanup.policy": "compact"}), topics(1), fresh_name("group")
    table, writer = Table(Processes(RULES)), new_writer(group, RULES.ladders)
    users = pl.select(pl.format("user-{}", pl.int_range(ROWS))).to_series()
    activities = pl.DataFrame({"user_id": users}).with_columns(
        process=pl.lit("checkout"),
        ending=pl.lit(0, pl.UInt8),
        action=pl.lit(None, pl.String),
        occurred_at=pl.Series(np.full(ROWS, 1_767_571_200_000)),
        written_at=pl.Series(np.full(ROWS, 1_767_571_200_000)),
    )
    hear(table, activities, 1_767_571_200_000)
    outputs = [Output(state, 0, m.key, m.value, m.headers) for m in writer.build_segments(table, ROWS, None)]
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    producer = detect.producer(KafkaSettings(bootstrap_servers=kafka), fresh_name("large"))
    producer.take_over()
    producer.write(outputs, offsets=[TopicPartition(activity, 0, ROWS)], consumer=consumer)
    producer.close()
    consumer.close()
    reader = ChangelogReader(group, Processes(RULES))
    for seen in committed(kafka, state):
        reader.feed(seen.key, seen.value, list(seen.headers.items()))
    restored = reader.finish()
    assert restored is not None
    assert (len(restored.table), restored.offset) == (ROWS, ROWS)
