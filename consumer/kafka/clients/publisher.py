"""Publishes records and returns when they are safe: acknowledged by all replicas, none doubled by a retry."""

import threading
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumer.clock import SECOND, Clock, Millis
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.client_error_log import ClientErrorLog
from consumer.kafka.clients.client_settings import MAX_RECORD_BYTES, client_settings
from consumer.kafka.clients.error_codes import PURGED, TIMED_OUT, TOPIC_ABSENT
from consumer.kafka.clients.output import Output

_POLL_TIMEOUT_S = 0.1


class PublishFailed(Exception):
    """At least one of the records was not acknowledged."""


class NotAcknowledged(PublishFailed):
    """No acknowledgement in time. Each record may be on its topic or not: publish all of them again."""


class Refused(PublishFailed):
    """The broker takes a record neither now nor later. The text says which topic, and why."""


class Publisher:
    """One idempotent producer. Several threads may use it; they take turns."""

    def __init__(self, kafka: KafkaSettings, clock: Clock, *, name: str, timeout_ms: Millis = 20 * SECOND) -> None:
        """`timeout_ms` is how long one `publish` waits for its acknowledgements."""
        self._error_log = ClientErrorLog(name)
        # No timeout in the client: a record that it gave up might be overtaken by the next one of its key.
        ours = {
            "enable.idempotence": True,
            "acks": "all",
            "message.timeout.ms": 0,
            "message.max.bytes": MAX_RECORD_BYTES,
        }
        self._settings = {**client_settings(kafka, ours), "error_cb": self._error_log.error_cb}
        self._producer = Producer(self._settings)
        self._clock = clock
        self._timeout_ms = timeout_ms
        self._one_at_a_time = threading.Lock()

    def publish(self, outputs: Iterable[Output]) -> None:
        """Write these in their order, and return once every one is acknowledged.

        Raises the first failure: NotAcknowledged or Refused; KafkaException when this publisher is of no more use.
        """
        with self._one_at_a_time:
            batch = _Batch(self._clock.monotonic() + self._timeout_ms)
            for output in outputs:
                self._produce(output, batch)
            while batch.reported < batch.produced:
                self._poll(batch)
            if isinstance(batch.failure, NotAcknowledged):
                # The client may have lost its brokers for good (connection_watchdog.py). What it has in flight may
                # still arrive behind newer records, and twice: dead letters need no order.
                self._producer = Producer(self._settings)
        if batch.failure is not None:
            raise batch.failure
        self._error_log.report_answer()

    def close(self) -> None:
        """Close the connections. Everything has been acknowledged or given up by now."""
        self._producer.close()

    def _produce(self, output: Output, batch: "_Batch") -> None:
        """Queue a record, waiting for room in the client's queue; do nothing once the batch has failed."""
        topic, partition, key, value, headers, timestamp = output
        while batch.failure is None:
            try:
                self._producer.produce(
                    topic, value, key, partition, on_delivery=batch.report, timestamp=timestamp, headers=list(headers)
                )
            except BufferError:
                self._poll(batch)
            except KafkaException as failure:
                batch.fail(failure.args[0], topic)
            else:
                batch.produced += 1
                return

    def _poll(self, batch: "_Batch") -> None:
        self._producer.poll(_POLL_TIMEOUT_S)
        if self._clock.monotonic() >= batch.deadline:
            # Everything at once, so that no record arrives after one behind it was given up.
            self._producer.purge()


class _Batch:
    """What has become of the records of one `publish`."""

    def __init__(self, deadline: Millis) -> None:
        """`deadline` is monotonic."""
        self.deadline = deadline
        self.produced = 0
        self.reported = 0
        self.failure: Exception | None = None

    def report(self, error: KafkaError | None, message: Message) -> None:
        """Take a delivery report."""
        self.reported += 1
        if error is not None:
            self.fail(error, message.topic() or "")

    def fail(self, error: KafkaError, topic: str) -> None:
        """Keep the first failure."""
        if self.failure is None:
            self.failure = _failure(error, topic)


def _failure(error: KafkaError, topic: str) -> Exception:
    if error.fatal():
        return KafkaException(error)
    if error.code() in TOPIC_ABSENT:
        return Refused(f"the topic {topic} is not there: create it, or run `lapse topics --create`")
    if error.code() in TIMED_OUT | PURGED or error.retriable():
        return NotAcknowledged(f"{topic}: not acknowledged in time")
    return Refused(f"{topic}: the broker does not take a record: {error.str()}")
