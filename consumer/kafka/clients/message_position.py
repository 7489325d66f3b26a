"""How far a consumer has read a partition, by what it was given last."""

from confluent_kafka import KafkaError, KafkaException, Message

from consumer.kafka.clients.error_codes import is_transient


def position_behind(message: Message) -> int:
    """Return the offset behind a record or an end of a partition; 0 for an error that the client recovers from.

    The end counts because there may be transaction markers behind the last record. Raises KafkaException for any other
    error.
    """
    error, offset = message.error(), message.offset() or 0
    if error is None:
        return offset + 1
    if error.code() == KafkaError._PARTITION_EOF:
        return offset
    if is_transient(error):
        return 0
    raise KafkaException(error)
