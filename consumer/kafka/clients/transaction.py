"""One transaction: outputs and input offsets, all or nothing."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

_CALL = 2.0  # seconds for one call of the client; what is not done by then is called again
_PAUSE = 0.2  # seconds between two calls, should the client answer at once
_WAKE_EVERY = 12.0  # seconds: longer than connections.max.idle.ms, so that idle ones still go
_log = structlog.get_logger()


class Output(NamedTuple):
    """A record to write. `partition` -1 leaves the choice to the key."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Fenced(Exception):
    """Another process has taken this one's place. Nothing more may be written."""


class Aborted(Exception):
    """The transaction left nothing behind; the same outputs may be written again."""


class Unanswered(Exception):
    """Told to stop while the broker did not answer. Whether the last transaction counts, the successor finds out."""


_REPLACED = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.FENCED_INSTANCE_ID,
}
_HOPELESS = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
"""The same outputs, written again, would be refused again."""


class Transactions:
    """A transactional producer with its errors sorted into those that matter: repeat, or leave."""

    def __init__(self, producer: Producer, waits: Callable[[str], None] = lambda whom: None) -> None:
        """`waits` is told whom we wait for, as often as the broker does not answer."""
        self._producer = producer
        self._waits = waits

    def begin(self, stop: threading.Event) -> None:
        """Take this instance's place: an older process with the same id is fenced, its open transaction aborted.

        Raises Unanswered once `stop` is set; Fenced, KafkaException.
        """
        try:
            self._until_done(self._producer.init_transactions, stop)
        except KafkaException as failure:
            raise _final(failure) from failure

    def commit(
        self,
        outputs: Iterable[Output],
        offsets: Sequence[TopicPartition],
        consumer: Consumer,
        stop: threading.Event,
    ) -> None:
        """Write outputs and offsets as one.

        Raises Aborted; Unanswered once `stop` is set; Fenced, or KafkaException where repeating would not help.
        """
        try:
            self._producer.begin_transaction()
            for output in outputs:
                self._produce(output)
            self._until_done(partial(self._send, list(offsets), consumer), stop)
            self._until_done(self._producer.commit_transaction, stop)
        except KafkaException as failure:
            raise self._sorted(failure, stop) from failure

    def _send(self, offsets: list[TopicPartition], consumer: Consumer, patience: float) -> None:
        # Fresh metadata each time: a member that was rebalanced away is refused here. (That each instance has a name
        # is part of the fence: the broker takes offsets at any time from a transaction that names no member.)
        with _woken(self._producer):
            self._producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), patience)

    def _produce(self, output: Output) -> None:
        while True:
            try:
                self._producer.produce(
                    output.topic, output.value, output.key, output.partition, headers=list(output.headers)
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _until_done(self, call: Callable[[float], object], stop: threading.Event) -> None:
        """A call that timed out may have succeeded: it is made again, never aborted."""
        while True:
            try:
                call(_CALL)
            except KafkaException as failure:
                error = failure.args[0]
                if not error.retriable() or error.txn_requires_abort():
                    raise
                if stop.is_set():
                    raise Unanswered(f"stopped while the broker did not answer: {error.str()}") from failure
                self._waits("the broker, to answer a transaction")
                _log.warning("transaction_call_repeated", error=error.name())
                stop.wait(_PAUSE)
            else:
                return

    def _sorted(self, failure: KafkaException, stop: threading.Event) -> Exception:
        """What to raise for it, with the transaction out of the way."""
        error = failure.args[0]
        if error.fatal():
            return _final(failure)
        try:
            self._until_done(self._producer.abort_transaction, stop)
        except KafkaException as second:
            return _final(second)
        if error.code() in _REPLACED or error.code() in _HOPELESS:
            return _final(failure)
        return Aborted(error.name())


@contextmanager
def _woken(producer: Producer) -> Iterator[None]:
    """For a call that waits for the group's coordinator. librdkafka (up to 2.16 at least, its issue 5456) forgets how
    long it was to wait, and looks again only when a connection comes or goes: after a broker's death there may be none
    that does. Whoever asks for metadata opens one.
    """
    done = threading.Event()

    def wake() -> None:
        while not done.wait(_WAKE_EVERY):
            with suppress(KafkaException):  # (no answer is what the call waits for, too)
                producer.list_topics(timeout=_CALL)

    waking = threading.Thread(target=wake, name="wakes a transaction", daemon=True)
    waking.start()
    try:
        yield
    finally:
        done.set()


def _final(failure: KafkaException) -> Exception:
    if failure.args[0].code() not in _REPLACED:
        return failure
    return Fenced(
        "another process has taken this one's place: does one run under the same name (kafka.instance)? Or the broker"
        " gave an open transaction up because this process was paused or cut off for too long"
        " (transaction.timeout.ms). Nothing is lost or half written: a restart goes on from the last commit"
    )
