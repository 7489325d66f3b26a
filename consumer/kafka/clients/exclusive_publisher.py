"""Publishes what only one process at a time may publish.

A process that was paused may wake up with records in hand that another one has published meanwhile, and newer ones
after them. The broker refuses those: all processes share one transactional id, and `begin` fences the others.
"""

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException

from consumer.clock import SECOND, Millis
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.client_settings import MAX_RECORD_BYTES, client_settings
from consumer.kafka.clients.error_codes import RECORD_REFUSED, TIMED_OUT, TOPIC_ABSENT
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import NotAcknowledged, PublishFailed, Refused
from consumer.kafka.clients.transactional_producer import Aborted, Fenced, TransactionalProducer, Unanswered, once


class PublisherFenced(PublishFailed):
    """Another process publishes now. Nothing of the batch is visible."""


class RecordRefused(Refused):
    """The broker refuses a record for what it is. Nothing of the batch is visible. `why` is the error's name."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


class ExclusivePublisher:
    """One transactional producer, made anew after every failure. For one thread at a time.

    A failed batch may be on the topic all the same (its commit was not answered): whoever is next publishes it again,
    whole. So records may be repeated, in their order, and older ones never follow newer ones.
    """

    def __init__(self, kafka: KafkaSettings, *, name: str, timeout_ms: Millis = 20 * SECOND) -> None:
        """`name` is the same in all processes of which one may publish. `timeout_ms` is for each call of a client."""
        self._transactional_id = f"{kafka.group_prefix}-{name}"
        self._timeout_ms = timeout_ms
        ours = {
            "transactional.id": self._transactional_id,
            "transaction.timeout.ms": 30 * SECOND,
            "message.timeout.ms": 20 * SECOND,
            "linger.ms": 0,
            "message.max.bytes": MAX_RECORD_BYTES,
        }
        self._settings = client_settings(kafka, ours)
        self._producer: TransactionalProducer | None = None

    def begin(self) -> None:
        """Fence the other processes, unless we have done so already. Raises NotAcknowledged or Refused."""
        if self._producer is None:
            self._producer = producer = TransactionalProducer(self._settings, call_timeout_s=self._timeout_ms / SECOND)
            self._try(lambda: producer.take_over(once))

    def publish(self, outputs: Sequence[Output]) -> None:
        """Return once all of these, in this order, are visible to others.

        Raises PublisherFenced, NotAcknowledged, RecordRefused or another Refused; then call `begin` again, and this
        with the same batch.
        """
        assert self._producer is not None, "begin() first"
        producer = self._producer
        self._try(lambda: producer.write(outputs, on_timeout=once))

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def _try(self, call: Callable[[], object]) -> None:
        """Call, and discard the producer if that fails: the next one aborts what is left open. Raises PublishFailed."""
        try:
            call()
        except (Aborted, Fenced, Unanswered, KafkaException) as failure:
            if self._producer is not None:
                self._producer.discard()
                self._producer = None
            raise self._publish_failed(failure) from None

    def _publish_failed(self, failure: Exception) -> PublishFailed:
        if isinstance(failure, Fenced):
            return PublisherFenced(f"another process publishes as {self._transactional_id} now")
        if isinstance(failure, Unanswered):
            return NotAcknowledged(f"{self._transactional_id}: not acknowledged in time")
        error: KafkaError = failure.error if isinstance(failure, Aborted) else failure.args[0]
        if error.code() in TOPIC_ABSENT:
            return Refused("a topic is not there: run `lapse topics --create`")
        if error.retriable() or error.code() in TIMED_OUT:
            return NotAcknowledged(f"{self._transactional_id}: not acknowledged in time")
        text = f"{self._transactional_id}: the broker does not take a record: {error.str()}"
        return RecordRefused(error.name(), text) if error.code() in RECORD_REFUSED else Refused(text)
