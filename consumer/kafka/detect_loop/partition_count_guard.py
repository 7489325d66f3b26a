"""Watches over the number of partitions: when it changes, users move, and what is remembered of them does not."""

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from consumer.clock import SECOND, Clock, Millis
from consumer.kafka.changelog.restore import REBUILD, StateRefused

_EVERY: Millis = 5 * SECOND
_PATIENCE = 5.0  # seconds


class PartitionsChanged(StateRefused):
    """Nobody may go on; the text says what to do."""


class PartitionCountGuard:
    """Asks now and then, and never waits for the answer."""

    def __init__(self, admin: AdminClient, topic: str, state_topic: str, clock: Clock) -> None:
        self._admin = admin
        self._topics = [topic, state_topic]
        self._clock = clock
        self._next: Millis = 0  # on the steady clock
        self._waiting: dict[str, Future[Any]] = {}

    def check(self) -> None:
        """Raises PartitionsChanged when the topic and the state topic were last seen to have unequal numbers."""
        if self._waiting:
            if all(future.done() for future in self._waiting.values()):
                answers, self._waiting = self._waiting, {}
                self._compare([_partitions(answers[topic]) for topic in self._topics])
        elif self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + _EVERY
            self._waiting = self._admin.describe_topics(TopicCollection(self._topics), request_timeout=_PATIENCE)

    def _compare(self, counts: list[int | None]) -> None:
        there, remembered = counts
        if there is None or remembered is None or there == remembered:
            return
        topic, state_topic = self._topics
        raise PartitionsChanged(
            f"{topic} has {there} partitions now, and {state_topic} {remembered}: users have moved to other partitions"
            " and what is remembered of them has not. Let producers finish what they wrote before the change,"
            f" {REBUILD}"
        )


def _partitions(answer: "Future[Any]") -> int | None:
    """None where it is not known: whoever cannot answer now is asked again, and reading tells of the trouble."""
    try:
        return len(answer.result().partitions)
    except KafkaException:
        return None
