"""Stops detect when the input becomes another: users move to other partitions or offsets mean other records, and the
state does not follow."""

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from consumer.clock import SECOND, Clock, Millis
from consumer.kafka.changelog import lineage
from consumer.kafka.changelog.input_topic import as_input
from consumer.kafka.changelog.restore import REBUILD, StateRefused

_CHECK_INTERVAL_MS: Millis = 2 * SECOND
_REQUEST_TIMEOUT_S = 5.0


class PartitionsChanged(StateRefused):
    """No process may go on; the text says what to do."""


class PartitionCountGuard:
    """Compares the input with what it was at first and with the state topic, without waiting for answers."""

    def __init__(self, admin: AdminClient, topic: str, state_topic: str, clock: Clock) -> None:
        self._admin = admin
        self._topic = topic
        self._state_topic = state_topic
        self._clock = clock
        self._next_check: Millis = 0  # monotonic
        self._futures: dict[str, Future[Any]] = {}
        self._first: lineage.Lineage | None = None

    def check(self) -> None:
        """Raise PartitionsChanged if the input is no longer what it was, or has another count than the state topic."""
        if self._futures:
            if all(future.done() for future in self._futures.values()):
                answered, self._futures = self._futures, {}
                self._compare(_described(answered[self._topic]), _described(answered[self._state_topic]))
        elif self._clock.monotonic() >= self._next_check:
            self._next_check = self._clock.monotonic() + _CHECK_INTERVAL_MS
            topics = TopicCollection([self._topic, self._state_topic])
            self._futures = self._admin.describe_topics(topics, request_timeout=_REQUEST_TIMEOUT_S)

    def _compare(self, topic: Any, state_topic: Any) -> None:
        if topic is None:
            return
        now = as_input(self._topic, topic)
        self._first = self._first or lineage.create(now, {})
        refusal = lineage.check(self._first, now, {}).refusal
        if refusal is not None:
            raise PartitionsChanged(f"{refusal}, {REBUILD}")
        if state_topic is not None and len(state_topic.partitions) != now.partitions:
            raise PartitionsChanged(
                f"{self._topic} has {now.partitions} partitions now, and {self._state_topic}"
                f" {len(state_topic.partitions)}: users have moved to other partitions and what is remembered of them"
                f" has not. Let producers finish what they wrote before the change, {REBUILD}"
            )


def _described(future: "Future[Any]") -> Any:
    """Return None where there was no answer: the next check asks again, and reading reports the error."""
    try:
        return future.result()
    except KafkaException:
        return None
