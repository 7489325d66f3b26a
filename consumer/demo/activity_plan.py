"""What the people of the demo do, drawn from a seed. Pure.

Time is compressed: where a client thinks for minutes in real life, it is a second here, and who does nothing for some
seconds has gone quiet. The reminder times that fit this are in `settings`.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from random import Random
from typing import TypeAlias
from uuid import UUID

from consumer.clock import SECOND, Millis
from consumer.demo.people import InventedPerson
from consumer.records import ActivityKind, UserActivity

PROCESSES = {
    "account-setup": (),
    "checkout": ("the walking boots", "two tickets to Lisbon", "the blue teapot", "your weekly groceries"),
    "document-upload": ("your proof of address", "the tax form"),
}
"""What can be left unfinished, and what half of its activities call it; the others leave that to the settings."""

_Span: TypeAlias = tuple[Millis, Millis]

_BUSY: _Span = (400, 1_700)  # between activities of somebody who is busy: shorter than any first reminder time
_AWAY: _Span = (3 * SECOND, 10 * SECOND)  # between two processes, while nothing is open
_SILENCE: _Span = (4 * SECOND, 14 * SECOND)  # until somebody comes back: before a reminder, or mostly after it
# After leaving a process unfinished. By the compose file's settings nobody comes back while a reminder is on its way:
# such a second is part of minutes in real life, and there would raise the alert of too many false positives.
_GONE: _Span = (26 * SECOND, 32 * SECOND)  # between the first and the second reminder there
_LONG_GONE: _Span = (60 * SECOND, 75 * SECOND)  # after the second
_WRITE_DELAY: _Span = (5, 250)  # from an activity until its event is on the topic
_ARRIVAL: Millis = 5 * SECOND  # within this time everybody is active for the first time
_DUPLICATE_SHARE = 0.01  # of events that a producer that retries sends a second time
_MOST_STEPS = 25

_ENDINGS: dict[str, tuple[tuple[ActivityKind, _Span], ...]] = {
    "finishes": ((ActivityKind.COMPLETED, _AWAY),),
    "cancels": ((ActivityKind.CANCELLED, _AWAY),),
    "returns": ((ActivityKind.PROGRESSED, _SILENCE), (ActivityKind.PROGRESSED, _BUSY), (ActivityKind.COMPLETED, _AWAY)),
    "stalls": ((ActivityKind.PROGRESSED, _GONE),),
    "leaves": ((ActivityKind.PROGRESSED, _LONG_GONE),),
}
"""The last activities in a process, each with the pause after it."""
_WEIGHTS = {False: (62, 12, 11, 9, 6), True: (10, 5, 15, 40, 30)}
"""How often each ending comes, in their order, by whether the person is forgetful."""
_CLOSING = frozenset({ActivityKind.COMPLETED, ActivityKind.CANCELLED})


@dataclass(frozen=True, slots=True)
class PlannedActivity:
    """An activity, and the moment at which its event is written to the topic."""

    at: Millis
    activity: UserActivity


def plan(crowd: Sequence[InventedPerson], seed: int, start: Millis) -> Iterator[PlannedActivity]:
    """Yield everything these people do from `start` on, in the order of writing, without end.

    The same people, seed and start give the same events.
    """
    return heapq.merge(*(_life(person, seed, start) for person in crowd), key=attrgetter("at"))


def farewell(latest: Iterable[UserActivity], now: Millis, event_id: str) -> list[UserActivity]:
    """Return the completions of those who are busy with something when the demo ends.

    `latest` has each person's latest activity. Who has been quiet for longer than busy people are stays quiet.
    """
    busy = [a for a in latest if a.kind not in _CLOSING and now - a.occurred_at <= _BUSY[1] + _WRITE_DELAY[1]]
    return [
        replace(a, kind=ActivityKind.COMPLETED, occurred_at=now, event_id=f"{event_id}-{number}")
        for number, a in enumerate(busy)
    ]


def _life(person: InventedPerson, seed: int, start: Millis) -> Iterator[PlannedActivity]:
    """Yield one person's activities, one process after the other."""
    rng = Random(f"life/{seed}/{person.contact.user_id}")  # noqa: S311 - repeatable, not secret
    at = start + rng.randrange(_ARRIVAL)
    steps_done = rng.randrange(_MOST_STEPS)  # at first everybody is somewhere in the middle
    process = None
    while True:
        process = process or rng.choice(tuple(PROCESSES))
        words = PROCESSES[process]
        action = rng.choice(words) if words and rng.random() < 0.5 else None
        for kind, pause in _steps(rng, steps_done, _WEIGHTS[person.forgetful]):
            activity = UserActivity(
                event_id=str(UUID(int=rng.getrandbits(128), version=4)),
                user_id=person.contact.user_id,
                process=process,
                kind=kind,
                action=None if kind in _CLOSING else action,
                occurred_at=at,
            )
            planned = PlannedActivity(at + rng.randrange(*_WRITE_DELAY), activity)
            yield from (planned, planned) if rng.random() < _DUPLICATE_SHARE else (planned,)
            at += rng.randrange(*pause)
        steps_done = 0
        if kind in _CLOSING:  # else it is this one that they come back to
            process = None


def _steps(rng: Random, steps_done: int, weights: Sequence[int]) -> Iterator[tuple[ActivityKind, _Span]]:
    """Yield what is done in one process, each with the pause after it."""
    [ending] = rng.choices(tuple(_ENDINGS.values()), weights)
    steps = max(1, rng.randrange(3, _MOST_STEPS) - steps_done)
    yield ActivityKind.PROGRESSED if steps_done else ActivityKind.STARTED, _BUSY
    yield from [(ActivityKind.PROGRESSED, _BUSY)] * (steps - 1)
    yield from ending
