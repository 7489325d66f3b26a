"""Writes records so that a reader of committed records sees all of them or none, whatever happens on the way."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from math import inf

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumer.clock import MINUTE, Millis
from consumer.config.kafka import KafkaSettings
from consumer.kafka.clients.settings import LARGEST_RECORD, ClientErrorLog, client_settings
from consumer.kafka.clients.transaction import Output

_CONSEQUENCES = {KafkaError._STATE, KafkaError._FATAL, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}
"""What is said of the other records of a transaction that has failed."""

_TURN = 1.0  # seconds for one call, so that Ctrl-C is not left waiting for longer
_ABORT_TURNS = 20


class NotWritten(Exception):
    """None of the records will ever be seen; the text says why."""


class Replaced(Exception):
    """Another of this name has begun, or it took longer than it may, so the broker has ended the transaction.

    None of the records will be seen; or all, if that happened between the broker's commit and its answer.
    """


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """confluent-kafka (2.16, on Python 3.11) forgets which exception ended one of our callbacks where it has no
    instance yet, as Ctrl-C has not. Ours raise nothing else.
    """
    try:
        yield
    except SystemError:
        raise KeyboardInterrupt from None


class AllOrNothing:
    """A transactional producer for one job at a time.

    `name` is its transactional id. It is the same at every run, so that what a killed run left open is ended by the
    next one at once, and of two at a time the earlier one is put out.
    """

    def __init__(self, kafka: KafkaSettings, *, name: str, timeout: Millis = MINUTE) -> None:
        """`timeout` is how long one `write` may take; until then an unfinished one holds up the topics' readers."""
        self._trouble = ClientErrorLog(name)
        limit = kafka.client.get("transaction.timeout.ms", timeout)
        ours = {
            "transactional.id": name,
            "transaction.timeout.ms": limit,
            "message.timeout.ms": limit,
            "enable.idempotence": True,
            "acks": "all",
            "message.max.bytes": LARGEST_RECORD,
            "linger.ms": 20,
            "delivery.report.only.error": True,
            # As Kafka's own Java client does it, and with it most of what writes onto a company's topics: a key that
            # two programs write must be in one partition, or a compacted topic keeps two records of it.
            "partitioner": kafka.client.get("partitioner", "murmur2_random"),
        }
        # What ends a write is raised; librdkafka would write it to stderr besides.
        silent = logging.Logger(name, logging.CRITICAL + 1)
        self._producer = Producer({**client_settings(kafka, ours), "error_cb": self._heard, "logger": silent})
        self._refused: str | None = None

    def begin(self) -> None:
        """Takes the place of any other of this name. Raises KafkaException."""
        _until_done(self._producer.init_transactions)

    @_interruptible()
    def write(self, outputs: Iterable[Output]) -> int:
        """Writes all of them; how many they were. What `outputs` itself raises ends the transaction unwritten.

        Raises:
            NotWritten: the broker refuses one of them.
            Replaced: see there.
        """
        self._refused = None
        try:
            self._producer.begin_transaction()
            count = sum(self._produced(output) for output in outputs)
        except KafkaException as failure:
            raise self._ended(failure) from None
        except BaseException:  # Ctrl-C too: readers must not wait for the transaction's timeout
            self._abort()
            raise
        try:
            _until_done(self._producer.commit_transaction)
        except KafkaException as failure:
            raise self._ended(failure) from None
        return count

    @_interruptible()
    def close(self) -> None:
        # Where another of this name has begun meanwhile it complains, in one way or other.
        with warnings.catch_warnings(), contextlib.suppress(KafkaException):
            warnings.simplefilter("ignore", RuntimeWarning)
            self._producer.purge()  # a record that was queued just when that was found out would be waited for
            self._producer.close()

    def _produced(self, output: Output) -> int:
        """Hands one to the client, waiting for room in its queue."""
        topic, partition, key, value, headers = output
        while True:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=self._reported, headers=list(headers))
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as failure:
                self._refuse(topic, failure.args[0])
                raise
            else:
                self._producer.poll(0)
                return 1

    def _heard(self, error: KafkaError) -> None:
        if not error.fatal():
            self._trouble.error_cb(error)

    def _reported(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refuse(message.topic() or "", error)

    def _refuse(self, topic: str, error: KafkaError) -> None:
        """Keeps the first reason that is one."""
        if self._refused is None and error.code() not in _CONSEQUENCES:
            self._refused = f"{topic}: {error.str()}"

    def _ended(self, failure: KafkaException) -> Exception:
        """What to raise after a failure; the transaction is over."""
        error = failure.args[0]
        if error.fatal() or error.code() == KafkaError._FATAL:
            return Replaced(error.str())  # and whoever did that has ended the transaction
        self._producer.poll(0)
        why = self._refused or error.str()  # before the abort: to what it discards it gives reasons of its own
        self._abort()
        return NotWritten(why)

    def _abort(self) -> None:
        # Where it fails, or takes too long, the broker ends the transaction by its timeout, or has done so already.
        with contextlib.suppress(KafkaException):
            _until_done(self._producer.abort_transaction, _ABORT_TURNS)


def _until_done(call: Callable[[float], object], turns: float = inf) -> None:
    """A call that timed out may yet succeed: it is made again, and nothing else in its place."""
    while True:
        try:
            call(_TURN)
        except KafkaException as failure:
            turns -= 1
            error = failure.args[0]
            if not error.retriable() or error.txn_requires_abort() or turns <= 0:
                raise
        else:
            return
