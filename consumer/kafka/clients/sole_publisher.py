"""Writes what only one process at a time may write: whoever begins puts the one before out, for good.

A process that was paused may wake up with records in its hands that another has written meanwhile, and newer ones after
them. The broker refuses those: both write in transactions under one id, and beginning anew fences whoever began before.
"""

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumer.clock import SECOND, Clock, Millis
from consumer.config.kafka import KafkaSettings
from consumer.kafka.clients.publisher import NotAcknowledged, PublishFailed, Refused
from consumer.kafka.clients.settings import LARGEST_RECORD, ClientErrorLog, client_settings
from consumer.kafka.clients.transaction import Output

_PATIENCE: Millis = 20 * SECOND
_POLL = 0.1  # seconds
_ABSENT = {KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART}
_REPLACED = {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}


class Replaced(PublishFailed):
    """Another process has taken over. Nothing of the batch is visible."""


class SolePublisher:
    """One transactional producer, made anew after every failure. Not for several threads at once.

    A failed batch may be on the topic all the same (its commit was not answered): it is written again, whole, by
    whoever is next. So records may be repeated, in their order, and older ones never follow newer ones.
    """

    def __init__(self, kafka: KafkaSettings, clock: Clock, *, name: str) -> None:
        """`name` is the same in all processes of which one may write."""
        self._kafka = kafka
        self._clock = clock
        self._trouble = ClientErrorLog(name)
        self._id = f"{kafka.group_prefix}-{name}"
        self._producer: Producer | None = None
        self._failure: KafkaError | None = None

    def begin(self) -> None:
        """Become the one who writes, if it is not so already. Raises NotAcknowledged or Refused."""
        if self._producer is not None:
            return
        ours = {
            "transactional.id": self._id,
            "transaction.timeout.ms": 30 * SECOND,
            "message.timeout.ms": 20 * SECOND,
            "linger.ms": 0,
            "message.max.bytes": LARGEST_RECORD,
            "error_cb": self._trouble.error_cb,
        }
        self._producer = Producer(client_settings(self._kafka, ours))
        self._try(self._producer.init_transactions)

    def publish(self, outputs: Sequence[Output]) -> None:
        """Returns once all of these, in this order, are where others can read them.

        Raises Replaced, NotAcknowledged or Refused; another `begin` is needed then, and the same batch again.
        """
        assert self._producer is not None, "begin() first"
        self._failure = None
        self._try(lambda _: self._write(outputs))
        self._trouble.report_answer()

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def _write(self, outputs: Sequence[Output]) -> None:
        producer = self._producer
        assert producer is not None
        deadline = self._clock.monotonic() + _PATIENCE
        producer.begin_transaction()
        for topic, partition, key, value, headers in outputs:
            while True:
                try:
                    producer.produce(topic, value, key, partition, on_delivery=self._report, headers=list(headers))
                    break
                except BufferError:
                    producer.poll(_POLL)
                    if self._clock.monotonic() >= deadline:
                        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
        producer.commit_transaction(max(1, deadline - self._clock.monotonic()) / SECOND)

    def _report(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = error

    def _try(self, call: Callable[[float], object]) -> None:
        """After a failure nothing of this producer is used again: the next one aborts what it left open."""
        try:
            call(_PATIENCE / SECOND)
        except KafkaException as problem:
            if self._producer is not None:
                self._producer.purge()
            self._producer = None  # (closing it would wait for a call that may never be answered)
            raise self._sorted(problem.args[0]) from None

    def _sorted(self, error: KafkaError) -> PublishFailed:
        """In words, for whoever may be able to do something about it."""
        why = self._failure or error
        if error.code() in _REPLACED or why.code() in _REPLACED:
            return Replaced(f"another process writes as {self._id} now")
        if why.code() in _ABSENT:
            return Refused("a topic is not there: run `lapse topics --create`")
        if why.retriable() or error.retriable() or why.code() in {KafkaError._TIMED_OUT, KafkaError._MSG_TIMED_OUT}:
            return NotAcknowledged(f"{self._id}: not acknowledged in time")
        return Refused(f"{self._id}: the broker does not take a record: {why.str()}")
