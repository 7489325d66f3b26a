"""Writes records and returns when they are safe: acknowledged by all replicas, none twice by a retry of the client."""

import threading
from collections.abc import Iterable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumer.clock import SECOND, Clock, Millis
from consumer.config.kafka import KafkaSettings
from consumer.kafka.clients.settings import LARGEST_RECORD, ClientErrorLog, client_settings
from consumer.kafka.clients.transaction import Output

_POLL = 0.1  # seconds
_ABSENT = {KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART}
_LATE = {KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}


class PublishFailed(Exception):
    """At least one of the records was not acknowledged."""


class NotAcknowledged(PublishFailed):
    """Not in time. Each record may be on its topic or not; publish all of them again when the broker is well."""


class Refused(PublishFailed):
    """The broker will not take a record, now or later. The text says which topic, and why."""


class Publisher:
    """One idempotent producer. May be used by several threads; one at a time publishes."""

    def __init__(self, kafka: KafkaSettings, clock: Clock, *, name: str, patience: Millis = 20 * SECOND) -> None:
        """`patience` is how long one `publish` waits for its acknowledgements."""
        self._trouble = ClientErrorLog(name)
        # No time limit in the client: a record that it gave up might be overtaken by the next one of its key.
        ours = {"enable.idempotence": True, "acks": "all", "message.timeout.ms": 0, "message.max.bytes": LARGEST_RECORD}
        self._settings = {**client_settings(kafka, ours), "error_cb": self._trouble.error_cb}
        self._producer = Producer(self._settings)
        self._clock = clock
        self._patience = patience
        self._one_at_a_time = threading.Lock()

    def publish(self, records: Iterable[tuple[str, bytes | None, bytes | None]]) -> None:
        """Write (topic, key, value) in this order. See `write`."""
        self.write([Output(topic, -1, key, value) for topic, key, value in records])

    def write(self, outputs: Sequence[Output]) -> None:
        """Returns once every record is acknowledged.

        Raises the first failure: NotAcknowledged or Refused; KafkaException when this publisher is of no more use.
        """
        with self._one_at_a_time:
            batch = _Batch(self._clock.monotonic() + self._patience)
            for output in outputs:
                self._produce(output, batch)
            self._wait(batch)
            if isinstance(batch.failure, NotAcknowledged):
                # It may have lost sight of the brokers for good (contact.py). What it has under way may yet arrive
                # behind newer records, and as often: of dead letters any order will do.
                self._producer = Producer(self._settings)
        if batch.failure is not None:
            raise batch.failure
        self._trouble.report_answer()

    def close(self) -> None:
        """Everything has been acknowledged or given up by now: this only lets go of the connections."""
        self._producer.close()

    def _produce(self, output: Output, batch: "_Batch") -> None:
        """Hands a record to the client, waiting for room in its queue; does nothing once the batch has failed."""
        topic, partition, key, value, headers = output
        while batch.failure is None:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=batch.report, headers=list(headers))
            except BufferError:
                self._turn(batch)
            except KafkaException as error:
                batch.fail(error.args[0], topic)
            else:
                batch.produced += 1
                return

    def _wait(self, batch: "_Batch") -> None:
        while batch.reported < batch.produced:
            self._turn(batch)

    def _turn(self, batch: "_Batch") -> None:
        self._producer.poll(_POLL)
        if self._clock.monotonic() >= batch.deadline:
            # All that is left at once, so that nothing arrives after something that comes behind it was given up.
            self._producer.purge()


class _Batch:
    """What has become of the records of one `write`."""

    def __init__(self, deadline: Millis) -> None:
        self.deadline = deadline
        self.produced = 0
        self.reported = 0
        self.failure: Exception | None = None

    def report(self, error: KafkaError | None, message: Message) -> None:
        self.reported += 1
        if error is not None:
            self.fail(error, message.topic() or "")

    def fail(self, error: KafkaError, topic: str) -> None:
        """Keeps the first failure."""
        if self.failure is None:
            self.failure = _failure(error, topic)


def _failure(error: KafkaError, topic: str) -> Exception:
    if error.fatal():
        return KafkaException(error)
    if error.code() in _ABSENT:
        return Refused(f"the topic {topic} is not there: create it, or run `lapse topics --create`")
    if error.code() in _LATE or error.retriable():
        return NotAcknowledged(f"{topic}: not acknowledged in time")
    return Refused(f"{topic}: the broker does not take a record: {error.str()}")
