"""The onlooker reads delivery-status as anybody could, and notices what it cannot read."""

import time
from dataclasses import replace

from confluent_kafka import Producer

from consumer.activity.record_codec import RecordCodec
from consumer.demo.background import under_way
from consumer.demo.broker import QUIET
from consumer.demo.watch import Watch
from tests.demo.test_tally import RECORD


def test_records_are_added_up_and_unreadable_ones_counted(broker: str, codec: RecordCodec) -> None:
    watch = Watch(broker, "delivery-status", codec)
    later = replace(RECORD, sequence=2, status="delivered")
    with under_way("watch", watch.run) as task:
        producer = Producer({"bootstrap.servers": broker, **QUIET})
        for value in (codec.encode(RECORD, "x"), b"no record", codec.encode(later, "x"), None):
            producer.produce("delivery-status", value, b"u1", partition=0)
        assert producer.flush(10) == 0
        deadline = time.monotonic() + 30
        while (counts := watch.counts()).records + counts.unreadable < 4:
            assert time.monotonic() < deadline
            assert not task.broke_off
            time.sleep(0.02)
    assert (counts.records, counts.unreadable) == (2, 2)
    assert counts.statuses == {"delivered": 1}
    assert [life.message_ids for life in watch.lives()] == [{"wamid.1"}]
