"""One transactional producer for all that must be visible together or not at all.

Whoever takes a transactional id over fences the process that had it before: that one can write nothing more. A call
that times out may have succeeded, so it is never replaced by another one; an `OnTimeout` policy decides how long it
is repeated: `until_interrupted` (commands), `until_stopped` (detect's checkpoints) or `once` (the outbox).
"""

import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from consumer.clock import MINUTE, Millis
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.client_error_log import ClientErrorLog
from consumer.kafka.clients.client_settings import MAX_RECORD_BYTES, client_settings
from consumer.kafka.clients.error_codes import (
    FENCED,
    RECORD_TOO_LARGE,
    TRANSACTION_FAILED,
    UNAUTHORIZED,
    in_words,
    refusal,
)
from consumer.kafka.clients.output import Output, OutputBatch

TRANSACTION_ANSWER = "the broker, to answer a transaction"
_CALL_TIMEOUT_S = 2.0  # for one call of the client: no longer, so that a stop or Ctrl-C takes effect soon
_RETRY_PAUSE_S = 0.2
_QUEUE_FULL_WAIT_S = 0.1
_DELIVERY_REPORT_WAIT_S = 1.0
_METADATA_INTERVAL_S = 12.0  # longer than connections.max.idle.ms of wiring/detect.py: idle connections still close
_MAX_ABORT_CALLS = 10
_ABORT = "abort"


class Fenced(Exception):
    """Another process has taken this one's place. Nothing more may be written."""


class Aborted(Exception):
    """Nothing of the transaction was written. `error` is the cause; the text names the topic, where there is one."""

    def __init__(self, error: KafkaError, topic: str | None = None) -> None:
        super().__init__(f"{topic}: {in_words(error)}" if topic else in_words(error))
        self.error = error

    @property
    def repeatable(self) -> bool:
        """Whether the same outputs, written again, may be accepted."""
        return self.error.code() not in RECORD_TOO_LARGE | UNAUTHORIZED


class Unanswered(Exception):
    """We stopped waiting for the broker. Only the next process that takes the id over knows what was written."""


OnTimeout: TypeAlias = Callable[[str, int, KafkaException], None]
"""`(call, count, failure)`: this call has timed out so many times. Returns to have it repeated, or raises."""


def until_interrupted(call: str, count: int, failure: KafkaException) -> None:
    """Repeat without end, until Ctrl-C. Give up only an abort: the broker's own timeout will end the transaction."""
    if call == _ABORT and count >= _MAX_ABORT_CALLS:
        raise failure


def once(call: str, count: int, failure: KafkaException) -> None:
    """Do not repeat. Raises Unanswered."""
    raise Unanswered(f"{call}: {failure.args[0].str()}") from failure


def until_stopped(stop: threading.Event, report_wait: Callable[[str], None]) -> OnTimeout:
    """Repeat until `stop` is set, then raise Unanswered. `report_wait` is told each time what we wait for."""

    def on_timeout(call: str, count: int, failure: KafkaException) -> None:
        if stop.is_set():
            raise Unanswered(f"stopped while the broker did not answer: {failure.args[0].str()}") from failure
        report_wait(TRANSACTION_ANSWER)
        stop.wait(_RETRY_PAUSE_S)

    return on_timeout


class TransactionalProducer:
    """One transaction at a time, in one thread at a time."""

    def __init__(self, settings: Mapping[str, Any], *, call_timeout_s: float = _CALL_TIMEOUT_S) -> None:
        """`settings` are librdkafka's, with a transactional.id."""
        always = {"enable.idempotence": True, "acks": "all", "delivery.report.only.error": True}
        self.client = Producer({**settings, **always})
        self._call_timeout_s = call_timeout_s
        self._id = str(settings["transactional.id"])
        self._error_log = ClientErrorLog(self._id)
        self._unusable: Exception | None = None
        """Once it is fenced or has failed for good, what every further `write` raises."""
        self._undelivered: dict[KafkaError, Message] = {}
        """The first record that was refused for each error. Filled by a callback, which must not be Python code:
        confluent-kafka (2.16) may lose a KeyboardInterrupt that is raised in one. `dict.setdefault` is written in C."""

    def take_over(self, on_timeout: OnTimeout = until_interrupted) -> None:
        """Fence any older process with this id and abort its open transaction.

        Raises Fenced; BrokerRefused; KafkaException.
        """
        try:
            self._repeat("take over", self.client.init_transactions, on_timeout)
        except KafkaException as failure:
            given_up = self._give_up(failure)
            if failure.args[0].code() in UNAUTHORIZED:
                given_up = self._unusable = refusal(failure.args[0], f"transactional id {self._id}")
            raise given_up from failure

    def write(
        self,
        outputs: Iterable[Output | OutputBatch],
        *,
        offsets: Sequence[TopicPartition] = (),
        consumer: Consumer | None = None,
        on_timeout: OnTimeout = until_interrupted,
    ) -> int:
        """Write everything in one transaction, with the offsets of the consumer's group. Returns how many outputs.

        What `outputs` itself raises aborts the transaction.

        Raises:
            Aborted: nothing was written, and a new transaction may begin.
            Fenced: nothing was written, unless that happened between the broker's commit and its answer.
            Unanswered: `on_timeout` has given up.
            KafkaException: this producer is of no more use.
        """
        if self._unusable is not None:
            raise self._unusable
        self._undelivered.clear()
        count = 0
        try:
            self.client.begin_transaction()
            for output in outputs:
                count += self._produce_batch(output) if isinstance(output, OutputBatch) else self._produce(output)
            if consumer is not None:
                self._repeat("send offsets", partial(self._send_offsets, list(offsets), consumer), on_timeout)
            self._repeat("commit", self.client.commit_transaction, on_timeout)
        except KafkaException as failure:
            raise self._failed(failure, on_timeout) from failure
        except Unanswered:
            raise
        except BaseException:  # Ctrl-C too: readers must not have to wait for the transaction's timeout
            with suppress(KafkaException):
                self._repeat(_ABORT, self.client.abort_transaction, on_timeout)
            raise
        return count

    def discard(self) -> None:
        """Drop what is queued and leave the connections to the garbage collector, without waiting for the broker."""
        self.client.purge()

    def close(self) -> None:
        """Abort an open transaction and close the connections."""
        # After a Fenced the client complains in various ways.
        with warnings.catch_warnings(), suppress(KafkaException):
            warnings.simplefilter("ignore", RuntimeWarning)
            self.client.purge()  # a record that was queued at the moment of the fencing would be waited for
            self.client.close()

    def _produce(self, output: Output) -> int:
        topic, partition, key, value, headers, timestamp = output
        on_delivery: Any = self._undelivered.setdefault
        while True:
            try:
                self.client.produce(
                    topic, value, key, partition, on_delivery=on_delivery, timestamp=timestamp, headers=list(headers)
                )
            except BufferError:
                self.client.poll(_QUEUE_FULL_WAIT_S)
            except KafkaException as failure:
                self._undelivered.setdefault(failure.args[0], Message(topic=topic))
                raise
            else:
                return 1

    def _produce_batch(self, batch: OutputBatch) -> int:
        """Queue a batch. Arguments by their places, and no headers, make a call take two thirds of the time."""
        topic, partition, keys, values = batch
        produce, on_delivery = self.client.produce, self._undelivered.setdefault
        for place, (key, value) in enumerate(zip(keys, values, strict=True)):
            try:
                produce(topic, value, key, partition, on_delivery)  # type: ignore[arg-type]
            except (BufferError, KafkaException):  # the queue is full, most likely: the rest one by one
                rest = zip(keys[place:], values[place:], strict=True)
                return place + sum(self._produce(Output(topic, partition, *each)) for each in rest)
        return len(keys)

    def _send_offsets(self, offsets: list[TopicPartition], consumer: Consumer, timeout_s: float) -> None:
        # Fresh metadata at each try: a member that was rebalanced away is refused here. (That each instance has a name
        # is part of the fence: the broker takes offsets at any time from a transaction that names no member.)
        with _refreshing_metadata(self.client):
            self.client.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), timeout_s)

    def _repeat(self, name: str, call: Callable[[float], object], on_timeout: OnTimeout) -> None:
        count = 0
        while True:
            try:
                call(self._call_timeout_s)
            except KafkaException as failure:
                error = failure.args[0]
                if not error.retriable() or error.txn_requires_abort():
                    raise
                count += 1
                self._error_log.report(error)
                on_timeout(name, count, failure)
            else:
                self._error_log.report_answer()
                return

    def _failed(self, failure: KafkaException, on_timeout: OnTimeout) -> Exception:
        """End the transaction and return what to raise."""
        error: KafkaError = failure.args[0]
        if error.fatal():
            return self._give_up(failure)
        cause = Aborted(error)
        try:
            cause = self._cause(error)  # first: what an abort discards is reported too
            self._repeat(_ABORT, self.client.abort_transaction, on_timeout)
        except KafkaException as second:
            if not second.args[0].retriable():
                return self._give_up(second)
        return self._give_up(failure) if error.code() in FENCED else cause

    def _cause(self, error: KafkaError) -> Aborted:
        """Serve the delivery reports and return the first cause among them. Raises KafkaException for a fatal error."""
        self.client.poll(0)
        if not self._undelivered and error.code() == KafkaError._STATE:
            self.client.poll(_DELIVERY_REPORT_WAIT_S)
        for refused, message in self._undelivered.items():
            if refused.code() not in TRANSACTION_FAILED:
                return Aborted(refused, message.topic())
        return Aborted(error)

    def _give_up(self, failure: KafkaException) -> Exception:
        self._unusable = _fenced() if failure.args[0].code() in FENCED else failure
        return self._unusable


def command_producer(kafka: KafkaSettings, *, name: str, timeout_ms: Millis = MINUTE) -> TransactionalProducer:
    """Return the producer of a command that writes all of its records or none.

    `name` is the transactional id, the same at every run: the next run ends what a killed one left open, and of two at
    a time the later one fences the earlier. `timeout_ms` is for one `write`; so long an unfinished one may hold up the
    topics' readers.
    """
    limit_ms = kafka.client.get("transaction.timeout.ms", timeout_ms)
    ours = {
        "transactional.id": name,
        "transaction.timeout.ms": limit_ms,
        "message.timeout.ms": limit_ms,
        "message.max.bytes": MAX_RECORD_BYTES,
        "linger.ms": 20,
        # The default of Kafka's Java client, which most other writers on a company's topics use: a key that two
        # programs write must be in one partition, or a compacted topic keeps two records of it.
        "partitioner": kafka.client.get("partitioner", "murmur2_random"),
        # What ends a write is raised; librdkafka would write it to stderr as well.
        "logger": logging.Logger(name, logging.CRITICAL + 1),
    }
    return TransactionalProducer(client_settings(kafka, ours))


@contextmanager
def _refreshing_metadata(client: Producer) -> Iterator[None]:
    """Ask for metadata now and then during a call that waits for the group's coordinator.

    librdkafka (up to 2.16 at least, its issue 5456) forgets how long it was to wait and looks again only when a
    connection opens or closes, which after a broker's death may never happen. A request for metadata opens one.
    """
    done = threading.Event()

    def refresh() -> None:
        while not done.wait(_METADATA_INTERVAL_S):
            with suppress(KafkaException):  # no answer is what the call is waiting out, too
                client.list_topics(timeout=_CALL_TIMEOUT_S)

    threading.Thread(target=refresh, name="transaction metadata", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _fenced() -> Fenced:
    return Fenced(
        "another process has taken this one's place: does one run under the same name (kafka.instance)? Or the broker"
        " gave an open transaction up because this process was paused or cut off for too long"
        " (transaction.timeout.ms). Nothing is lost or half written: a restart goes on from the last commit"
    )
