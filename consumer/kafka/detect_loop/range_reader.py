"""Reads what a topic holds between two offsets of each partition, in batches as large as the loop's."""

from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, TopicPartition

from consumer.kafka.clients.message_position import position_behind
from consumer.kafka.dead_letters.topic_reader import StillOpen
from consumer.kafka.detect_loop.batch_builder import BatchBuilder, Message, Piece, RecordBatch

_CONSUME_CHUNK = 500
_MAX_BATCH = 50_000
_CONSUME_TIMEOUT_S = 0.02
_MAX_EMPTY_POLLS = 3_500  # 70 s: longer than an abandoned transaction stays open by default, a minute


def read_batches(
    consumer: Consumer, topic: str, ranges: Mapping[int, range], *, reads_headers: bool
) -> Iterator[RecordBatch]:
    """Yield the committed records at these offsets, each partition's in order.

    Raises:
        StillOpen: a transaction that began within them does not end.
        KafkaException: the broker refuses.
    """
    unread = {partition: offsets for partition, offsets in ranges.items() if offsets}
    if unread:
        consumer.assign([TopicPartition(topic, partition, offsets.start) for partition, offsets in unread.items()])
    while unread:
        read = _read_batch(consumer, topic, reads_headers=reads_headers)
        batch = _within(read, unread)
        if len(batch):
            yield batch
        for partition in [each for each in unread if _position(read, each) >= unread[each].stop]:
            del unread[partition]
            consumer.incremental_unassign([TopicPartition(topic, partition)])


def _read_batch(consumer: Consumer, topic: str, *, reads_headers: bool) -> RecordBatch:
    """Return records until there are many, or until the ends of partitions are reached."""
    builder, empty_polls = BatchBuilder(reads_headers=reads_headers), 0
    while builder.count < _MAX_BATCH and not builder.end_positions:
        messages: list[Message] = consumer.consume(_CONSUME_CHUNK, _CONSUME_TIMEOUT_S)
        failed = [message for message in messages if message.error() is not None]
        empty_polls = 0 if len(messages) > len(failed) else empty_polls + 1
        if empty_polls > _MAX_EMPTY_POLLS:
            raise StillOpen(f"{topic}: a transaction is open that does not end, or the broker is gone: try again later")
        for message in failed:
            if position := position_behind(message):
                builder.end_positions[message.partition()] = position
        builder.add([message for message in messages if message.error() is None] if failed else messages)
    return builder.build()


def _within(batch: RecordBatch, ranges: Mapping[int, range]) -> RecordBatch:
    """Return the records at these offsets."""
    offsets = batch.records.offsets
    pieces: dict[int, list[Piece]] = {}
    for partition, start, stop in batch.spans:
        if partition in ranges:
            wanted = ranges[partition]
            first, last = (
                start + int(place) for place in offsets[start:stop].searchsorted([wanted.start, wanted.stop])
            )
            pieces[partition] = [(batch.records, first, last)]
    if sum(stop - start for each in pieces.values() for _, start, stop in each) == len(batch):
        return batch
    return RecordBatch(pieces, batch.end_positions)


def _position(batch: RecordBatch, partition: int) -> int:
    """Return the offset up to which this partition has been read; 0 if the batch has nothing of it."""
    last = [int(batch.records.offsets[span.stop - 1]) + 1 for span in batch.spans if span.partition == partition]
    return max(batch.end_positions.get(partition, 0), *last, 0)
