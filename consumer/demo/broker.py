"""A broker inside this process, for showing Lapse on a machine that has none.

It is the mock cluster of librdkafka, Kafka's C client: other clients in this process and outside it speak Kafka's
own protocol with it, so what runs against it is the same code that runs against a real broker. It is a stage and
not a judge. It does not hide records of aborted transactions, fences no producer, forgets offsets that were sent
within a transaction, keeps at most 5 MiB of a partition, compacts nothing, and ends with this process. So nothing
that it shows proves "exactly once", a restart or a restore: tests of those need a real Kafka.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

PARTITIONS = 4
"""Of every topic: the mock cluster's own number. Topics appear when they are first asked about or written to."""

QUIET = {"log_level": 2, "log.connection.close": False}
"""librdkafka's settings for clients of this broker: it tells of every closed connection, and here they all close."""

_PATIENCE_SECONDS = 10


class BrokerFailed(Exception):
    """The embedded broker did not start; the text says what librdkafka said."""


@contextmanager
def embedded_broker(topics: Sequence[str] = ()) -> Iterator[str]:
    """Runs a broker for as long as the context lasts and gives its address (`host:port`); `topics` exist at once.

    Its clients should be closed before it is.

    Raises:
        BrokerFailed: it could not be started, or a topic does not exist on it.
    """
    # The first client owns the cluster: it lives and dies with this producer.
    owner = Producer({"test.mock.num.brokers": 1, **QUIET})
    try:
        address = _address(owner)
        _touch(address, topics)
        yield address
    finally:
        owner.close()


def _address(owner: Producer) -> str:
    try:
        brokers = owner.list_topics(timeout=_PATIENCE_SECONDS).brokers
    except KafkaException as error:
        raise BrokerFailed(f"the embedded broker did not start: {error.args[0].str()}") from None
    return ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())


def _touch(address: str, topics: Sequence[str]) -> None:
    client = AdminClient({"bootstrap.servers": address, **QUIET})
    for topic in topics:
        found = client.list_topics(topic, timeout=_PATIENCE_SECONDS).topics[topic]
        if found.error is not None or len(found.partitions) != PARTITIONS:
            raise BrokerFailed(f"the embedded broker has no topic {topic}: {found.error}")
