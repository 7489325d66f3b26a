"""Reads a topic for the parts that are not detect: batches of records to a handler, offsets committed after it.

Every record is handed over at least once, and again after a crash between the handler and the commit: handlers are
idempotent. A record that cannot be read becomes a dead letter, after the handler has taken the others of its batch
and before the offset is committed. Nothing is skipped for any other reason: while the schema registry, the handler or
the dead letters' topic is out of reach, the batch is read again and again.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.activity.errors import BadRecord, RegistryUnavailable
from consumer.clock import SECOND, Clock, Millis
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.client_error_log import ClientErrorLog
from consumer.kafka.clients.client_settings import client_settings
from consumer.kafka.clients.connection_watchdog import ConnectionWatchdog
from consumer.kafka.clients.error_codes import TOPIC_ABSENT, UNAUTHORIZED, consumer_refusal, is_fatal, is_fenced
from consumer.kafka.clients.publisher import NotAcknowledged
from consumer.kafka.clients.transactional_producer import Fenced
from consumer.kafka.dead_letters.isolation import handle_isolating
from consumer.kafka.dead_letters.publisher import DeadLetterPublisher, Rejection
from consumer.kafka.dead_letters.records import rejected_record
from consumer.records import Received
from consumer.trace_context import traceparent_of

T = TypeVar("T")
Message: TypeAlias = Any
"""confluent_kafka's, whose fields may all be None by their types; where there is no error, none is."""

_MAX_BATCH = 500  # records
_CONSUME_TIMEOUT_S = 0.03  # short: somebody is waiting for the record that has come
_RETRY_PAUSE_S = 1.0
_REQUEST_TIMEOUT_S = 30.0
_PROBE_TIMEOUT_S = 1.0
_PROBE_INTERVAL_MS: Millis = SECOND
_TOPIC_ABSENT_TIMEOUT_MS: Millis = 10 * SECOND  # some broker may not know a new topic yet
_log = structlog.get_logger()


class NotNow(Exception):
    """The handler cannot take the batch at the moment: it is handed over again. The text says why, for the log."""


class TopicAbsent(Exception):
    """The topic does not exist; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A topic, and the member of a consumer group that reads it; `instance` is its group.instance.id."""

    topic: str
    group: str
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHandler(Generic[T]):
    """Who takes the records of a topic.

    `decode` makes a record's value, which is not null, a T. Raises BadRecord, RegistryUnavailable.
    `handle` takes a batch. Raises NotNow; BatchRefused, and then it is handed smaller and smaller parts of the batch,
    until the record that it refuses is alone and becomes a dead letter.
    `advance(topic, {partition: offset})` is told how far partitions were read beyond the batches: past records that
    could not be read and, with `wants_ends`, up to ends before which there is no record. Raises NotNow.
    `handled_offsets` returns how far the handler has each partition, where it knows: when a partition is assigned,
    nothing behind that offset is skipped, whatever was committed.
    """

    decode: Callable[[bytes], T]
    handle: Callable[[Sequence[Received[T]]], None]
    advance: Callable[[str, Mapping[int, int]], None]
    handled_offsets: Callable[[], Mapping[int, int]] = dict
    wants_ends: bool = False


class AtLeastOnceConsumer(Generic[T]):
    """One member of a consumer group on one topic. `run` is called once, in a thread of its own."""

    def __init__(
        self,
        kafka: KafkaSettings,
        clock: Clock,
        subscription: Subscription,
        handler: RecordHandler[T],
        dead_letters: DeadLetterPublisher,
        *,
        commit_metadata: str = "",
        report_wait: Callable[[str | None], None] = lambda reason: None,
    ) -> None:
        """`commit_metadata` is committed with every offset. `report_wait` is told after every turn what we wait for,
        or None."""
        self._topic = subscription.topic
        self._group = subscription.group
        self._instance = subscription.instance
        self._handler = handler
        self._dead_letters = dead_letters
        self._commit_metadata = commit_metadata
        self._report_wait = report_wait
        self._clock = clock
        self._error_log = ClientErrorLog(self._group)
        self._waits_for: str | None = None
        self._next_probe: Millis = 0  # monotonic, as is the next
        self._absent_since: Millis | None = None
        self._commits_in_flight = 0
        self._commit_errors: list[KafkaError] = []
        self._uncommitted: dict[int, int] = {}
        """By assigned partition, the offset to commit."""
        self._known_positions: dict[int, int] = {}
        """By assigned partition, the offset up to which the handler knows that it has everything."""
        ours = {
            "group.id": self._group,
            # A restart within the session timeout takes up its partitions at once, without a rebalance.
            "group.instance.id": self._instance,
            "partition.assignment.strategy": "cooperative-sticky",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": handler.wants_ends,
        }
        callbacks = {"error_cb": self._error_log.error_cb, "on_commit": self._on_commit}
        self._consumer = Consumer({**client_settings(kafka, ours), **callbacks})
        self._watchdog = ConnectionWatchdog(self._consumer, kafka, self._topic, clock)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set.

        Raises what the handler raised; TopicAbsent; publisher.Refused when a dead letter is not taken; Fenced when
        another process has taken this instance's place; CutOff; KafkaException when we have no permission.
        """
        callbacks = {"on_assign": self._on_assign, "on_revoke": self._on_revoke, "on_lost": self._on_lost}
        self._consumer.subscribe([self._topic], **callbacks)
        try:
            while not stop.is_set():
                self._turn(stop)
            self._commit()
        finally:
            self._consumer.close()  # waits for commits in flight

    def _turn(self, stop: threading.Event) -> None:
        records, end_positions = self._poll()
        while self._commit_errors:
            self._handle_error(self._commit_errors.pop())
        if self._error_log and self._clock.monotonic() >= self._next_probe:
            self._probe()
            self._next_probe = self._clock.monotonic() + _PROBE_INTERVAL_MS
        processed = self._process(records, end_positions, stop)
        self._report_wait(None if processed else self._waits_for)
        if not self._commits_in_flight:
            self._commit()

    def _poll(self) -> tuple[list[Message], dict[int, int]]:
        """Return records, and the positions of partitions whose ends were reached."""
        records: list[Message] = []
        end_positions: dict[int, int] = {}
        for message in self._consumer.consume(_MAX_BATCH, _CONSUME_TIMEOUT_S):
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                end_positions[message.partition()] = message.offset()  # type: ignore[index, assignment]
            else:
                self._handle_error(error)
        return records, end_positions

    def _handle_error(self, error: KafkaError) -> None:
        if is_fatal(error) or is_fenced(error):
            advice = f"is another process running as {self._instance}? Give each its own kafka.instance"
            raise Fenced(f"the broker has put {self._instance} out of the group {self._group}: {error.str()}: {advice}")
        if error.code() in UNAUTHORIZED:
            raise consumer_refusal(error, self._group, self._topic)
        self._error_log.report(error)
        if error.code() in TOPIC_ABSENT and self._absent_since is None:
            self._absent_since = self._clock.monotonic()

    def _probe(self) -> None:
        """Ask the broker whether the errors are over. Records do not show it: they may have been fetched before."""
        try:
            topic = self._consumer.list_topics(self._topic, timeout=_PROBE_TIMEOUT_S).topics[self._topic]
        except KafkaException as failure:
            self._error_log.report(failure.args[0])
            self._watchdog.report_no_answer()
            return
        if topic.error is None:
            self._absent_since = None
            self._error_log.report_answer()
        elif self._absent_since and self._clock.monotonic() - self._absent_since >= _TOPIC_ABSENT_TIMEOUT_MS:
            raise TopicAbsent(f"the topic {self._topic} is not there: create it, or run `lapse topics --create`")

    def _process(self, records: Sequence[Message], end_positions: Mapping[int, int], stop: threading.Event) -> bool:
        """Hand a batch over, and the ends behind it. Returns False if it will be read again."""
        positions = {record.partition(): record.offset() + 1 for record in records}
        try:
            good, bad = self._decode(records)
            if good:
                for refused, problem in handle_isolating(self._handler.handle, good):
                    at = refused.partition, refused.offset
                    bad += [(rejected_record(m), problem) for m in records if (m.partition(), m.offset()) == at]
                self._known_positions.update((received.partition, received.offset + 1) for received in good)
            self._dead_letters.publish(bad)
            self._advance({**positions, **end_positions})
        except RegistryUnavailable as error:
            return self._retry_later(records, stop, "registry_unavailable", error)
        except NotAcknowledged as error:
            return self._retry_later(records, stop, "dead_letters_unavailable", error)
        except NotNow as error:
            return self._retry_later(records, stop, "handler_unavailable", error)
        self._uncommitted.update(positions)
        if records and self._waits_for is not None:
            _log.info("consumer_recovered", topic=self._topic, waited_for=self._waits_for)
            self._waits_for = None
        return True

    def _decode(self, records: Sequence[Message]) -> tuple[list[Received[T]], list[Rejection]]:
        good: list[Received[T]] = []
        bad: list[Rejection] = []
        for message in records:
            record = rejected_record(message)
            try:
                value = None if record.value is None else self._handler.decode(record.value)
            except BadRecord as problem:
                bad.append((record, problem))
            else:
                topic, partition, offset, key, _ = record
                found = Received(topic=topic, partition=partition, offset=offset, key=key, value=value)
                trace = traceparent_of(message.headers())
                good.append(found if trace is None else replace(found, traceparent=trace))
        return good, bad

    def _retry_later(self, records: Sequence[Message], stop: threading.Event, event: str, error: Exception) -> bool:
        """Seek back to the start of the batch and pause, while the client stays in its group. Log the reason once."""
        if self._waits_for != event:
            _log.warning(event, topic=self._topic, error=str(error))
            self._waits_for = event
        first: dict[int, int] = {}
        for record in records:
            first.setdefault(record.partition(), record.offset())
        for partition, offset in first.items():
            self._consumer.seek(TopicPartition(self._topic, partition, offset))
        stop.wait(_RETRY_PAUSE_S)
        return False

    def _advance(self, positions: Mapping[int, int]) -> None:
        """Tell the handler the positions that it cannot know: those before which it was handed no record."""
        known = self._known_positions
        unknown = {partition: position for partition, position in positions.items() if known.get(partition) != position}
        if unknown:
            self._handler.advance(self._topic, unknown)
            known.update(unknown)

    def _commit(self) -> None:
        """Request a commit; `_on_commit` gets the answer.

        Not while the broker has errors: leaving the group would have to wait for the answer. What is not committed now
        is committed later, and at worst handed over again.
        """
        if self._uncommitted and not self._error_log:
            offsets = [TopicPartition(self._topic, *each, self._commit_metadata) for each in self._uncommitted.items()]
            self._consumer.commit(offsets=offsets, asynchronous=True)
            self._commits_in_flight += 1

    def _on_commit(self, error: KafkaError | None, offsets: Sequence[TopicPartition]) -> None:
        self._commits_in_flight -= 1
        for committed in offsets:
            if failure := error or committed.error:
                self._commit_errors.append(failure)  # for the loop: an exception in a callback is lost
            elif self._uncommitted.get(committed.partition) == committed.offset:
                del self._uncommitted[committed.partition]

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        handled = self._handler.handled_offsets()
        if handled:
            committed = {c.partition: c.offset for c in consumer.committed(assigned, timeout=_REQUEST_TIMEOUT_S)}
            for position in assigned:
                offset = handled.get(position.partition)
                if offset is not None and offset < committed[position.partition]:
                    position.offset = offset
                    _log.warning("partition_rewound", topic=self._topic, partition=position.partition, offset=offset)
        consumer.incremental_assign(assigned)

    def _on_revoke(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self._commit()  # reaches the broker before our leave request
        self._on_lost(consumer, revoked)

    def _on_lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        for topic_partition in lost:
            self._uncommitted.pop(topic_partition.partition, None)
            self._known_positions.pop(topic_partition.partition, None)
