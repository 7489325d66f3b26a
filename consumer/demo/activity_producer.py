"""The company's platform as far as the demo needs one: it writes contacts once, and activities all the time."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from consumer.activity.record_codec import RecordCodec
from consumer.clock import Clock
from consumer.config.settings import Settings
from consumer.demo.activity_plan import farewell, plan
from consumer.demo.people import InventedPerson
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import Publisher
from consumer.records import Contact, UserActivity


@dataclass(slots=True)
class ActivityProducer:
    """Write what `crowd` does. Call `run` in a thread of its own; `activities` may be read from any thread."""

    publisher: Publisher
    settings: Settings
    codec: RecordCodec
    clock: Clock
    crowd: Sequence[InventedPerson]
    seed: int
    activities: int = 0
    """The number of activities that the broker has taken so far."""

    def run(self, stop: threading.Event) -> None:
        """Write until `stop` is set; then everybody who is busy with something completes it.

        Raises:
            PublishFailed: the broker did not take an event.
        """
        self._write(self.settings.topics.contacts, [person.contact for person in self.crowd])
        latest: dict[str, UserActivity] = {}
        due: list[UserActivity] = []
        for planned in plan(self.crowd, self.seed, self.clock.now()):
            if (wait := planned.at - self.clock.now()) > 0:
                self._write_activities(due)
                due.clear()
                if stop.wait(wait / 1000):
                    break
            due.append(planned.activity)
            latest[planned.activity.user_id] = planned.activity
        self._write_activities(farewell(latest.values(), self.clock.now(), f"farewell-{self.seed}"))

    def _write_activities(self, activities: Sequence[UserActivity]) -> None:
        self._write(self.settings.source.topic, activities)
        self.activities += len(activities)

    def _write(self, topic: str, records: Sequence[Contact | UserActivity]) -> None:
        self.publisher.publish([Output(topic, -1, r.user_id.encode(), self.codec.encode(r, topic)) for r in records])
