"""One transaction: outputs and input offsets, all or nothing."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

_WAIT = 30.0  # seconds for one call; the transaction's own limit is the producer's `transaction.timeout.ms`
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


class Transactions:
    """A transactional producer with the errors sorted into the two that matter: repeat, or leave."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def begin(self) -> None:
        """Take this instance's place: an older process with the same id is fenced, its open transaction aborted."""
        self._until_done(self._producer.init_transactions)

    def commit(self, outputs: Iterable[Output], offsets: Sequence[TopicPartition], consumer: Consumer) -> None:
        """Write outputs and offsets as one. Raises Aborted or Fenced."""
        try:
            self._producer.begin_transaction()
            for output in outputs:
                self._produce(output)
            # Fresh metadata each time: a member that was rebalanced away is refused here.
            self._producer.send_offsets_to_transaction(list(offsets), consumer.consumer_group_metadata(), _WAIT)
            self._until_done(self._producer.commit_transaction)
        except KafkaException as error:
            raise self._sorted(error) from error

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

    def _until_done(self, call: Callable[[float], object]) -> None:
        """A call that timed out may have succeeded: it is made again, never aborted."""
        while True:
            try:
                call(_WAIT)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                _log.warning("transaction_call_repeated", error=error.args[0].name())
            else:
                return

    def _sorted(self, failure: KafkaException) -> Exception:
        error = failure.args[0]
        if error.fatal():
            return Fenced(error.str())
        if error.txn_requires_abort() or error.retriable():
            try:
                self._until_done(self._producer.abort_transaction)
            except KafkaException as second:
                return Fenced(second.args[0].str())
            return Aborted(error.name())
        return failure
