"""A broker inside this process, for showing Lapse on a machine that has none.

It is the mock cluster of librdkafka, Kafka's C client: clients in this process and outside it use Kafka's own protocol
with it, so the code that runs against it is the code that runs against a real broker. It is good enough for a
demonstration and proves nothing about "exactly once", restarts or restores: it does not hide records of aborted
transactions, fences no producer, forgets offsets that were committed within a transaction, keeps at most 5 MiB of a
partition, compacts nothing, and ends with this process. Tests of those need a real Kafka.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from confluent_kafka import KafkaException, Producer

QUIET = {"log_level": 2, "log.connection.close": False}
"""Settings of librdkafka for clients of this broker: it logs every closed connection, and here all of them close."""

_REQUEST_TIMEOUT_S = 10


class BrokerFailed(Exception):
    """The embedded broker did not start; the text says what librdkafka reported."""


@contextmanager
def embedded_broker(topics: Sequence[str] = ()) -> Iterator[str]:
    """Run a broker for as long as the context lasts and yield its address (`host:port`).

    `topics` exist at once, others when they are first asked about or written to, all with four partitions.
    Close its clients before the context ends.

    Raises:
        BrokerFailed: it could not be started.
    """
    # The first client owns the cluster: both end when this producer is closed.
    with closing(Producer({"test.mock.num.brokers": 1, **QUIET})) as owner:
        try:
            brokers = owner.list_topics(timeout=_REQUEST_TIMEOUT_S).brokers.values()
            for topic in topics:
                owner.list_topics(topic, timeout=_REQUEST_TIMEOUT_S)
        except KafkaException as error:
            raise BrokerFailed(f"the embedded broker did not start: {error.args[0].str()}") from None
        yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
