"""Two ways to get records from the group's member into a batch: as message objects, or as columns."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import Consumer

from consumer.kafka.detect_loop.batch_builder import BatchBuilder, Message, Records

if TYPE_CHECKING:  # it needs numba, which is optional
    from consumer.kafka.columns.column_consumer import ColumnConsumer

_CHUNK = 500  # messages that the consumer returns at a time


class Fetch(NamedTuple):
    """How a batch is filled.

    `read` adds to the batch what there is, or what comes first within a timeout in seconds, and returns errors, and the
    ends of partitions that were reached. It may call back the group's assignments meanwhile. With `enough` records
    the batch is worked on: many, since a process that lags pays what each batch costs besides only once.
    """

    read: Callable[[BatchBuilder, float], Sequence[Message]]
    enough: int


def fetch_messages(consumer: Consumer) -> Fetch:
    def read(builder: BatchBuilder, timeout_s: float) -> Sequence[Message]:
        messages = consumer.consume(_CHUNK, timeout_s)
        failed = [message for message in messages if message.error() is not None]
        builder.add([message for message in messages if message.error() is None] if failed else messages)
        return failed

    return Fetch(read, enough=50_000)


def fetch_columns(consumer: "ColumnConsumer", on_silence: Callable[[], None]) -> Fetch:
    """`on_silence` is called where nothing came. (A member that has lost its brokers loses its partitions, which is
    noticed; the client that reads columns is in no group.)"""

    def read(builder: BatchBuilder, timeout_s: float) -> Sequence[Message]:
        found, failed = consumer.fetch(timeout_s)
        for columns in found:
            records = Records(columns.offsets, columns.timestamps, columns.keys, columns.values)
            builder.add_records(columns.partitions, records)
        if not found and not failed:
            on_silence()
        return failed

    # Up to 50,000 come at a time, and more are gathered while those are worked on. Where fewer came, working on them is
    # better than waiting for the rest.
    return Fetch(read, enough=20_000)
