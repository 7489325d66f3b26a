"""Reads a topic for the parts that are not detect: batches of records to a handler, offsets committed after it.

Every record is handed over at least once, and again after a crash between the handler and the commit: handlers
are idempotent. A record that cannot be read goes to the dead letters, after the handler has taken the others of its
batch and before the offset is committed. Nothing is skipped for any other reason: what cannot be done now (the
registry or the dead letters' topic is out of reach) is waited for, and the batch is read again.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from prometheus_client import Counter

from consumer.activity.errors import BadRecord, RegistryUnavailable
from consumer.clock import SECOND, Clock, Millis
from consumer.config.kafka import KafkaSettings
from consumer.kafka.clients.connection_watchdog import ConnectionWatchdog
from consumer.kafka.clients.publisher import NotAcknowledged, Publisher
from consumer.kafka.clients.settings import ClientErrorLog, client_settings
from consumer.kafka.clients.transaction import Fenced
from consumer.kafka.dead_letters.records import dead_letter, spoiled
from consumer.records import Received

T = TypeVar("T")
Message: TypeAlias = Any
"""confluent_kafka's own, whose every field may be None by its types and is not where there is no error."""
_Spoiled: TypeAlias = tuple[Message, BadRecord]

BATCH = 500
_PATIENCE = 0.03  # seconds to wait for a full batch: someone is waiting for the record that has come
_PAUSE = 1.0  # seconds before what could not be done is tried again
_ANSWER = 30.0  # seconds for the group's committed offsets
_PROBE_EVERY: Millis = SECOND
_ABSENT_FOR: Millis = 10 * SECOND
"""A topic that was just created may be unknown to some broker for a moment."""
_ABSENT = {KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART}
_FENCED = {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}
_HOPELESS = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}
_log = structlog.get_logger()


class NotNow(Exception):
    """A handler cannot take the batch at the moment: it is handed over again. The text says why, for the log."""


class TopicAbsent(Exception):
    """The topic is not there; the text says what to do."""


class AtLeastOnceConsumer(Generic[T]):
    """One member of a plain consumer group on one topic. `run` is called once, in a thread of its own."""

    def __init__(
        self,
        kafka: KafkaSettings,
        clock: Clock,
        *,
        topic: str,
        group: str,
        instance: str,
        decode: Callable[[bytes], T],
        handle: Callable[[Sequence[Received[T]]], None],
        reached: Callable[[str, Mapping[int, int]], None],
        tells_ends: bool = False,
        behind: Callable[[], Mapping[int, int]] = dict,
        mark: str = "",
        progress: Callable[[str | None], None] = lambda waits_for: None,
        publisher: Publisher,
        dead_letters: str,
        spoiled: Counter,
    ) -> None:
        """`decode` raises BadRecord or RegistryUnavailable; a null value is never given to it.

        `reached(topic, {partition: offset})` hears how far partitions have been read beyond what was handed over: past
        records that could not be read and, if it `tells_ends`, up to ends that no record stands just before. `handle`
        and `reached` may raise NotNow. `behind()` says how far the handler itself has each partition, where it knows:
        of a partition that is assigned to us, nothing after that is skipped, whatever was committed. `mark` is kept
        beside every committed offset. `progress` hears after every turn what is waited for, or None. `spoiled` has the
        labels topic and reason; `dead_letters` is a topic.
        """
        self._topic = topic
        self._group = group
        self._instance = instance
        self._decode = decode
        self._handle = handle
        self._reached = reached
        self._behind = behind
        self._mark = mark
        self._progress = progress
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._spoiled = spoiled
        self._clock = clock
        self._trouble = ClientErrorLog(group)
        self._waits_for: str | None = None
        self._next_probe: Millis = 0  # on the steady clock, like the next
        self._absent_since: Millis | None = None
        self._commits = 0  # asked for and not answered yet
        self._failed: list[KafkaError] = []
        # By partition, of those that are ours: the offset behind what is done with, while it is not committed; and
        # the offset up to which the handler knows that it has everything.
        self._uncommitted: dict[int, int] = {}
        self._told: dict[int, int] = {}
        ours = {
            "group.id": group,
            # A restart within the session's time takes up its partitions at once, and nobody else is disturbed.
            "group.instance.id": instance,
            "partition.assignment.strategy": "cooperative-sticky",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": tells_ends,
        }
        callbacks = {"error_cb": self._trouble.error_cb, "on_commit": self._committed}
        self._consumer = Consumer({**client_settings(kafka, ours), **callbacks})
        self._contact = ConnectionWatchdog(self._consumer, kafka, topic, clock)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set.

        Raises what the handler raised; TopicAbsent; publisher.Refused when a dead letter is not taken; Fenced when
        another process has taken this instance's place; CutOff; KafkaException when we have no permission.
        """
        callbacks = {"on_assign": self._assigned, "on_revoke": self._revoked, "on_lost": self._lost}
        self._consumer.subscribe([self._topic], **callbacks)
        try:
            while not stop.is_set():
                self._turn(stop)
            self._commit()
        finally:
            self._consumer.close()  # waits for commits that are under way

    def _turn(self, stop: threading.Event) -> None:
        records, ends = self._sorted(self._consumer.consume(BATCH, _PATIENCE))
        while self._failed:
            self._look_at(self._failed.pop())
        if self._trouble and self._clock.monotonic() >= self._next_probe:
            self._probe()
            self._next_probe = self._clock.monotonic() + _PROBE_EVERY
        if self._take(records, ends, stop):
            self._progress(None)
        else:
            self._progress(self._waits_for)
        if not self._commits:
            self._commit()

    def _sorted(self, messages: Sequence[Message]) -> tuple[list[Message], dict[int, int]]:
        """Records, and the offsets of partitions' ends that were reached."""
        records: list[Message] = []
        ends: dict[int, int] = {}
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ends[message.partition()] = message.offset()
            else:
                self._look_at(error)
        return records, ends

    def _look_at(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in _FENCED:
            advice = f"is another process running as {self._instance}? Give each its own kafka.instance"
            raise Fenced(f"the broker has put {self._instance} out of the group {self._group}: {error.str()}: {advice}")
        if error.code() in _HOPELESS:
            raise KafkaException(error)
        self._trouble.report(error)
        if error.code() in _ABSENT and self._absent_since is None:
            self._absent_since = self._clock.monotonic()

    def _probe(self) -> None:
        """Is it over? Nothing else says so: records may have been fetched long before they are handed to us."""
        try:
            found = self._consumer.list_topics(self._topic, timeout=1.0).topics[self._topic]
        except KafkaException as failure:
            self._trouble.report(failure.args[0])
            self._contact.report_no_answer()
            return
        if found.error is None:
            self._absent_since = None
            self._trouble.report_answer()
        elif self._absent_since is not None and self._clock.monotonic() - self._absent_since >= _ABSENT_FOR:
            raise TopicAbsent(f"the topic {self._topic} is not there: create it, or run `lapse topics --create`")

    def _take(self, records: Sequence[Message], ends: Mapping[int, int], stop: threading.Event) -> bool:
        """Hands a batch over, and the ends behind it; whether it is done with, or will be read again."""
        try:
            good, dead = self._read(records)
        except RegistryUnavailable as error:
            return self._later(records, stop, "registry_unavailable", error)
        try:
            if good:
                self._handle(good)
                self._told.update((received.partition, received.offset + 1) for received in good)
            self._bury(dead)
            self._note({**{record.partition(): record.offset() + 1 for record in records}, **ends})
        except NotAcknowledged as error:
            return self._later(records, stop, "dead_letters_unavailable", error)
        except NotNow as error:
            return self._later(records, stop, "handler_unavailable", error)
        for record in records:
            self._uncommitted[record.partition()] = record.offset() + 1
        if records and self._waits_for is not None:
            _log.info("feed_goes_on", topic=self._topic, waited_for=self._waits_for)
            self._waits_for = None
        return True

    def _read(self, records: Sequence[Message]) -> tuple[list[Received[T]], list[_Spoiled]]:
        good: list[Received[T]] = []
        dead: list[_Spoiled] = []
        for record in records:
            data = record.value()
            try:
                value = None if data is None else self._decode(data)
            except BadRecord as bad:
                dead.append((record, bad))
            else:
                good.append(
                    Received(
                        topic=self._topic,
                        partition=record.partition(),
                        offset=record.offset(),
                        key=record.key(),
                        value=value,
                    )
                )
        return good, dead

    def _bury(self, dead: Sequence[_Spoiled]) -> None:
        if not dead:
            return
        self._publisher.write([dead_letter(self._dead_letters, spoiled(record), bad) for record, bad in dead])
        for _, bad in dead:
            self._spoiled.labels(self._topic, bad.reason).inc()
        first, reasons = dead[0][0], sorted({bad.reason for _, bad in dead})
        where = {"topic": self._topic, "partition": first.partition(), "offset": first.offset()}
        _log.warning("records_set_aside", **where, count=len(dead), reasons=reasons)

    def _later(self, records: Sequence[Message], stop: threading.Event, event: str, error: Exception) -> bool:
        """Goes back to the start of the batch and waits a moment; the group is heard in between. Says why once."""
        if self._waits_for != event:
            _log.warning(event, topic=self._topic, error=str(error))
            self._waits_for = event
        first: dict[int, int] = {}
        for record in records:
            first.setdefault(record.partition(), record.offset())
        for partition, offset in first.items():
            self._consumer.seek(TopicPartition(self._topic, partition, offset))
        stop.wait(_PAUSE)
        return False

    def _note(self, ends: Mapping[int, int]) -> None:
        """What the handler cannot know of: no record that it was handed stands just before these offsets."""
        unheard = {partition: end for partition, end in ends.items() if self._told.get(partition) != end}
        if unheard:
            self._reached(self._topic, unheard)
            self._told.update(unheard)

    def _commit(self) -> None:
        """Asks for it and goes on; `_committed` hears of it.

        Not while the broker is in trouble: leaving the group would have to wait for the answer. What is not committed
        now is committed later, and at worst handed over again.
        """
        if self._uncommitted and not self._trouble:
            offsets = [TopicPartition(self._topic, *spot, self._mark) for spot in self._uncommitted.items()]
            self._consumer.commit(offsets=offsets, asynchronous=True)
            self._commits += 1

    def _committed(self, error: KafkaError | None, spots: Sequence[TopicPartition]) -> None:
        self._commits -= 1
        for spot in spots:
            if failure := error or spot.error:
                self._failed.append(failure)  # to be looked at by the loop: what a callback raises is lost
            elif self._uncommitted.get(spot.partition) == spot.offset:
                del self._uncommitted[spot.partition]

    def _assigned(self, consumer: Consumer, spots: list[TopicPartition]) -> None:
        behind = self._behind()
        committed = {c.partition: c.offset for c in consumer.committed(spots, timeout=_ANSWER)} if behind else {}
        for spot in spots:
            there = behind.get(spot.partition)
            if there is not None and there < committed[spot.partition]:
                spot.offset = there
                _log.warning("read_again", topic=self._topic, partition=spot.partition, offset=there)
        consumer.incremental_assign(spots)

    def _revoked(self, consumer: Consumer, spots: list[TopicPartition]) -> None:
        self._commit()  # which arrives before our word that we let go
        self._lost(consumer, spots)

    def _lost(self, consumer: Consumer, spots: list[TopicPartition]) -> None:
        for spot in spots:
            self._uncommitted.pop(spot.partition, None)
            self._told.pop(spot.partition, None)
