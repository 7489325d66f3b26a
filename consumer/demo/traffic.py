"""The company's platform, as far as the demo needs one: it writes contacts once and activities all the time."""

import threading
from typing import TypeAlias

from confluent_kafka import KafkaError, Message, Producer

from consumer.activity.record_codec import RecordCodec
from consumer.clock import SECOND, Clock, Millis
from consumer.demo.broker import QUIET
from consumer.demo.people import Person
from consumer.demo.plan import Planned, farewell, plan
from consumer.records import Contact, UserActivity

_FLUSH_SECONDS = 10
_LONGEST_NAP: Millis = SECOND

_Told: TypeAlias = "Message[bytes, bytes]"


class TrafficFailed(Exception):
    """An event could not be written; the text says why."""


class Traffic:
    """Writes what `crowd` does. Call `run` in a thread of its own; `activities` may be read from any."""

    def __init__(
        self,
        address: str,
        codec: RecordCodec,
        clock: Clock,
        crowd: tuple[Person, ...],
        *,
        seed: int,
        activity_topic: str,
        contacts_topic: str,
    ) -> None:
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 20, **QUIET})
        self._codec = codec
        self._clock = clock
        self._crowd = crowd
        self._seed = seed
        self._activity_topic = activity_topic
        self._contacts_topic = contacts_topic
        self._latest: dict[str, UserActivity] = {}
        self._refused: KafkaError | None = None
        self.activities = 0
        """Activities that the broker has taken so far."""

    def run(self, stop: threading.Event) -> None:
        """Writes until `stop` is set; then those who are busy with something finish it.

        Raises:
            TrafficFailed: the broker did not take something.
        """
        try:
            for person in self._crowd:
                self._write(person.contact, self._contacts_topic)
            for planned in plan(self._crowd, self._seed, self._clock.now()):
                self._wait_until(planned, stop)
                if stop.is_set():
                    break
                self._act(planned.activity)
            for last in farewell(self._latest.values(), self._clock.now(), f"farewell-{self._seed}"):
                self._act(last)
        finally:
            unwritten = self._producer.flush(_FLUSH_SECONDS)
            self._producer.purge()  # or closing would wait for a broker that is gone
            self._producer.close()
        if unwritten:
            raise TrafficFailed(f"{unwritten} events were not written within {_FLUSH_SECONDS} s")
        self._check()

    def _wait_until(self, planned: Planned, stop: threading.Event) -> None:
        while not stop.is_set() and (left := planned.at - self._clock.now()) > 0:
            self._producer.poll(0)
            self._check()
            stop.wait(min(left, _LONGEST_NAP) / 1000)

    def _act(self, activity: UserActivity) -> None:
        self._latest[activity.user_id] = activity
        self._write(activity, self._activity_topic)

    def _write(self, record: Contact | UserActivity, topic: str) -> None:
        value, key = self._codec.encode(record, topic), record.user_id.encode()
        heard = self._counted if isinstance(record, UserActivity) else self._noted
        self._producer.produce(topic, value, key, on_delivery=heard)
        self._producer.poll(0)

    def _counted(self, error: KafkaError | None, message: _Told) -> None:
        self._noted(error, message)
        self.activities += error is None

    def _noted(self, error: KafkaError | None, message: _Told) -> None:
        self._refused = self._refused or error

    def _check(self) -> None:
        if self._refused is not None:
            raise TrafficFailed(f"the broker did not take an event: {self._refused.str()}")
