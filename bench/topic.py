"""A state topic on a real broker, written as detect writes it: a transaction for each commit."""

import numpy as np
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from bench.events import PROCESSES
from bench.state import START, activities
from consumer.config.settings import Settings
from consumer.detect.lapse_rules import Processes
from consumer.detect.table import Table
from consumer.kafka.clients import topics
from consumer.kafka.clients.output import Output
from consumer.wiring import detect
from consumer.wiring.shared import Shared
from tests.broker.topics import fresh_name
from tests.detect.hearing import new_writer


class StateTopic:
    """One partition, its table, and what commits it."""

    def __init__(self, bootstrap: str) -> None:
        source = fresh_name("activity")
        names = ("contacts", "reminders", "delivery_status", "opt_outs", "dead_letters", "state")
        self.settings = Settings.model_validate(
            {
                "kafka": {"bootstrap_servers": bootstrap, "group_prefix": fresh_name("bench"), "instance": "bench"},
                "topics": {name: f"{source}-{name}" for name in names},
                "source": {"topic": source},
                "processes": {name: {"action": name, "remind_after": ["24h", "72h"]} for name in PROCESSES},
            }
        )
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.create_topics([NewTopic(source, 1, 1)])[source].result()
        topics.prepare(admin, self.settings.topics, self.settings.state_topic, source)
        self.shared, self.rules, self._source = Shared(self.settings), detect.rules(self.settings), source
        self.table = Table(Processes(self.rules))
        self.offset = self.bytes = self.records = 0
        self._writer = new_writer(detect.group_name(self.settings), self.rules.ladders)
        self._member = detect.consumer(self.settings.kafka, {"group.id": fresh_name("bench")})
        self._producer = detect.producer(self.settings.kafka, fresh_name("bench"))
        self._producer.take_over()

    def commit(self, who: np.ndarray) -> None:
        """These users, named by number, do something, and that is committed."""
        self.offset += who.size
        self.table.apply(activities(self.table, who, self.offset), START)
        messages = self._writer.build_segments(self.table, self.offset, START + self.offset)
        self.bytes += sum(len(m.value or b"") for m in messages)
        self.records += len(messages)
        outputs = [Output(self.settings.state_topic, 0, m.key, m.value, m.headers) for m in messages]
        at = TopicPartition(self._source, 0, self.offset)
        self._producer.write(outputs, offsets=[at], consumer=self._member)

    def close(self) -> None:
        self._member.close()
