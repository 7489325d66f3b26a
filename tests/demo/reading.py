"""A plain consumer, for looking at what is on a topic."""

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from consumer.demo.broker import QUIET


def everything(address: str, topic: str) -> "list[Message[bytes, bytes]]":
    """All messages of a topic, each partition in order, up to the ends as they are now."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", **QUIET})
    try:
        spots = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(4)]
        left = sum(consumer.get_watermark_offsets(spot, timeout=10)[1] for spot in spots)
        consumer.assign(spots)
        found: list[Message[bytes, bytes]] = []
        while len(found) < left:
            batch = consumer.consume(left - len(found), 10)
            assert batch, f"{len(found)} of {left} messages came"
            assert all(message.error() is None for message in batch)
            found += batch
        return found
    finally:
        consumer.close()
