"""Stops detect when the number of partitions changes: users move to other partitions, and their state does not."""

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from consumer.clock import SECOND, Clock, Millis
from consumer.kafka.changelog.restore import REBUILD, StateRefused

_CHECK_INTERVAL_MS: Millis = 5 * SECOND
_REQUEST_TIMEOUT_S = 5.0


class PartitionsChanged(StateRefused):
    """No process may go on; the text says what to do."""


class PartitionCountGuard:
    """Compares the partition counts of the input and the state topic now and then, without waiting for answers."""

    def __init__(self, admin: AdminClient, topic: str, state_topic: str, clock: Clock) -> None:
        self._admin = admin
        self._topic = topic
        self._state_topic = state_topic
        self._clock = clock
        self._next_check: Millis = 0  # monotonic
        self._futures: dict[str, Future[Any]] = {}

    def check(self) -> None:
        """Raise PartitionsChanged if the two topics were last seen with unequal counts."""
        if self._futures:
            if all(future.done() for future in self._futures.values()):
                answered, self._futures = self._futures, {}
                self._compare(_count(answered[self._topic]), _count(answered[self._state_topic]))
        elif self._clock.monotonic() >= self._next_check:
            self._next_check = self._clock.monotonic() + _CHECK_INTERVAL_MS
            topics = TopicCollection([self._topic, self._state_topic])
            self._futures = self._admin.describe_topics(topics, request_timeout=_REQUEST_TIMEOUT_S)

    def _compare(self, count: int | None, state_count: int | None) -> None:
        if count is None or state_count is None or count == state_count:
            return
        raise PartitionsChanged(
            f"{self._topic} has {count} partitions now, and {self._state_topic} {state_count}: users have moved to"
            " other partitions and what is remembered of them has not. Let producers finish what they wrote before the"
            f" change, {REBUILD}"
        )


def _count(future: "Future[Any]") -> int | None:
    """None where there was no answer: the next check asks again, and reading reports the error."""
    try:
        return len(future.result().partitions)
    except KafkaException:
        return None
