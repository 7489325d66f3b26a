"""What the demo's people do with themselves: a story for each of them, told by dice and no clock.

Time is compressed: where a client thinks for minutes in life, here it is a second, and who says nothing for some
seconds has gone quiet. The ladders that fit this are in `PROCESSES`.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from operator import attrgetter
from random import Random
from uuid import UUID

from consumer.clock import SECOND, Millis
from consumer.config.processes import ProcessSettings
from consumer.config.template import TemplateOverride
from consumer.demo.people import Person
from consumer.records import ActivityKind, UserActivity


def _ladder(*seconds: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=rung) for rung in seconds)


PROCESSES = {
    "account-setup": ProcessSettings(action="your account setup", remind_after=_ladder(4, 12)),
    "checkout": ProcessSettings(
        action="your order", remind_after=_ladder(3), template=TemplateOverride(name="order_waiting")
    ),
    "document-upload": ProcessSettings(action="your document upload", remind_after=_ladder(6)),
}
"""What can be left unfinished, and after how long a silence it is."""

_OWN_WORDS = {
    "checkout": ("the walking boots", "two tickets to Lisbon", "the blue teapot", "your weekly groceries"),
    "document-upload": ("your proof of address", "the tax form"),
}

_PAUSE = (400, 1_700)
"""Between two things that somebody does who is busy with it: shorter than any ladder's first rung."""
_AWAY = (3 * SECOND, 10 * SECOND)
"""Between two processes; nothing is open then."""
_SILENCE = (4 * SECOND, 14 * SECOND)
"""Of those who come back to what they left lying: sometimes before a reminder, mostly after it."""
_GONE = (20 * SECOND, 45 * SECOND)
"""After leaving something for good."""
_OPENING = 5 * SECOND
"""Within this time everybody has shown up for the first time."""
_DELAY = (5, 250)
"""From doing something to its event being on the topic."""
_TWICE = 0.01
"""Share of events that a careful producer sends a second time."""
_MOST_STEPS = 25


class Ending(Enum):
    """How somebody's time in a process ends."""

    FINISHES = "finishes"
    CANCELS = "cancels"
    RETURNS = "returns"
    """Goes quiet, comes back and finishes."""
    STALLS = "stalls"
    """Goes quiet and leaves it at that."""


_ENDINGS = {False: (62, 12, 11, 15), True: (10, 5, 15, 70)}
"""Weights of the endings in their order, by whether the person is forgetful."""


@dataclass(frozen=True, slots=True)
class Planned:
    """An activity and the moment at which its event is written to the topic."""

    at: Millis
    activity: UserActivity


def plan(crowd: Sequence[Person], seed: int, start: Millis) -> Iterator[Planned]:
    """Everything these people will ever do, in the order of writing, from `start` on; it never ends.

    The same people, seed and start give the same events.
    """
    return heapq.merge(*(_Life(person, seed).from_(start) for person in crowd), key=attrgetter("at"))


def farewell(latest: Iterable[UserActivity], now: Millis, event_id: str) -> list[UserActivity]:
    """What those do who are in the middle of something when the demo ends: they finish it.

    `latest` holds each person's latest activity. Who has been quiet for longer than busy people are stays quiet.
    """
    busy = [a for a in latest if a.kind not in _CLOSING and now - a.occurred_at <= _PAUSE[1] + _DELAY[1]]
    return [
        replace(a, kind=ActivityKind.COMPLETED, occurred_at=now, event_id=f"{event_id}-{number}")
        for number, a in enumerate(busy)
    ]


_CLOSING = {ActivityKind.COMPLETED, ActivityKind.CANCELLED}


class _Life:
    """One person's days, one process after the other."""

    def __init__(self, person: Person, seed: int) -> None:
        self._person = person
        self._dice = Random(f"life/{seed}/{person.user_id}")  # noqa: S311 - repeatable, not secret
        self._at: Millis = 0

    def from_(self, start: Millis) -> Iterator[Planned]:
        self._at = start + self._dice.randrange(_OPENING)
        # Nobody was waiting for us: at first everybody is somewhere in the middle.
        yield from self._session(self._dice.randrange(_MOST_STEPS))
        while True:
            yield from self._session(0)

    def _session(self, steps_done: int) -> Iterator[Planned]:
        process = self._dice.choice(tuple(PROCESSES))
        words = _OWN_WORDS.get(process)
        action = self._dice.choice(words) if words and self._dice.random() < 0.5 else None
        [ending] = self._dice.choices(tuple(Ending), _ENDINGS[self._person.forgetful])
        for kind, rest in self._story(ending, steps_done):
            yield from self._written(
                UserActivity(
                    event_id=str(UUID(int=self._dice.getrandbits(128), version=4)),
                    user_id=self._person.user_id,
                    process=process,
                    kind=kind,
                    action=None if kind in _CLOSING else action,
                    occurred_at=self._at,
                )
            )
            self._at += self._dice.randrange(*rest)

    def _story(self, ending: Ending, steps_done: int) -> Iterator[tuple[ActivityKind, tuple[Millis, Millis]]]:
        """What is done, and how long a rest follows it."""
        steps = max(1, self._dice.randrange(3, _MOST_STEPS) - steps_done)
        yield ActivityKind.PROGRESSED if steps_done else ActivityKind.STARTED, _PAUSE
        for _ in range(steps - 1):
            yield ActivityKind.PROGRESSED, _PAUSE
        match ending:
            case Ending.FINISHES:
                yield ActivityKind.COMPLETED, _AWAY
            case Ending.CANCELS:
                yield ActivityKind.CANCELLED, _AWAY
            case Ending.RETURNS:
                yield ActivityKind.PROGRESSED, _SILENCE
                yield ActivityKind.PROGRESSED, _PAUSE
                yield ActivityKind.COMPLETED, _AWAY
            case Ending.STALLS:
                yield ActivityKind.PROGRESSED, _GONE

    def _written(self, activity: UserActivity) -> Iterator[Planned]:
        at = activity.occurred_at + self._dice.randrange(*_DELAY)
        yield Planned(at, activity)
        if self._dice.random() < _TWICE:
            yield Planned(at, activity)
