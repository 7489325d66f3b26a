"""Reads the latest lineage in each partition of the state topic, without restoring anything."""

from collections.abc import Callable
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.detect.snapshot import DamagedState
from consumer.kafka.changelog import segment_header
from consumer.kafka.changelog.lineage import Lineage
from consumer.kafka.clients import partition_offsets
from consumer.kafka.clients.error_codes import CORRUPT, is_transient

_LAST_OFFSETS = 200
"""Offsets before the end that are looked at: a commit's tombstones and its transaction's marker may be the last."""
_POLL_TIMEOUT_S = 5.0


def read_latest_lineages(admin: AdminClient, make_consumer: Callable[[], Consumer], state_topic: str) -> list[Lineage]:
    """Return the lineages that can be read: none of an empty or damaged partition. Raises KafkaException."""
    begins = partition_offsets.fetch_all(admin, state_topic, "earliest")
    ends = partition_offsets.fetch_all(admin, state_topic)
    consumer = make_consumer()
    try:
        return [
            lineage
            for partition, end in ends.items()
            if (lineage := _latest(consumer, state_topic, partition, begins[partition], end)) is not None
        ]
    finally:
        consumer.close()


def _latest(consumer: Consumer, topic: str, partition: int, begin: int, end: int) -> Lineage | None:
    position, latest = max(begin, end - _LAST_OFFSETS), None
    consumer.assign([TopicPartition(topic, partition, position)])
    while position < end:
        message = consumer.poll(_POLL_TIMEOUT_S)
        if message is None:
            break
        error = message.error()
        if error is None:
            position = (message.offset() or 0) + 1
            with suppress(DamagedState):  # a tombstone, a rebuild marker or a foreign record has none
                latest = segment_header.parse(message.headers() or [], None).lineage  # type: ignore[arg-type]
        elif error.code() == KafkaError._PARTITION_EOF:
            break
        elif error.code() in CORRUPT:
            # The client would fetch the same batch again and again, and its length is not known here.
            position += 1
            consumer.seek(TopicPartition(topic, partition, position))
        elif not is_transient(error):
            raise KafkaException(error)
    return latest
