"""What the policies that can be known from a history alone let through: spacing and frequency caps.

Each answer rests on the messages that were let through before it, so the first lapses of all people are judged
together, then the second ones, and so on.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from consumer.clock import Millis
from consumer.detect.lapse_rules import ALWAYS, NEVER, Processes, Times
from consumer.insight.whole_history.activities import Places, firsts, pick
from consumer.insight.whole_history.lapses import Lapses

VERDICTS: Sequence[str] = ("sent", "too_soon", "frequency_cap")


def judge(asked: Lapses, processes: Processes, caps: Mapping[Millis, int]) -> tuple[Lapses, npt.NDArray[np.int64]]:
    """Return the lapses in the order of time of each user, and for each its place in `VERDICTS`.

    `caps` maps a span in milliseconds to the most messages to one user in it.
    """
    asked = pick(asked, _by_user_and_time(asked, processes))
    verdicts = np.zeros(asked.users.size, np.int64)
    begins = firsts(asked.users)
    people = np.cumsum(begins) - 1
    turns = np.arange(people.size) - np.flatnonzero(begins)[people]
    sent = _Sent(people.size and int(people[-1]) + 1, len(processes.names), int(turns.max(initial=0)) + 1, caps)
    spacing = processes.wait(asked.processes, np.zeros(people.size, np.int64))
    by_turn = np.argsort(turns, kind="stable")
    for turn in np.split(by_turn, np.flatnonzero(np.diff(turns[by_turn])) + 1):
        at = (people[turn], asked.processes[turn], asked.lapsed_at[turn])
        verdicts[turn] = sent.judge(*at, spacing[turn])
        sent.add(*(column[verdicts[turn] == 0] for column in at))
    return asked, verdicts


def _by_user_and_time(asked: Lapses, processes: Processes) -> Places:
    """Return the order in which lapses are judged; at equal times the names of processes decide."""
    names = np.argsort(np.argsort(processes.names))[asked.processes]
    columns = (asked.users, asked.lapsed_at - asked.lapsed_at.min(initial=ALWAYS), names, asked.steps)
    sizes = [int(column.max(initial=0)) + 1 for column in columns]
    if math.prod(sizes) < 1 << 63:  # one sort of numbers takes a tenth of the time of four
        return np.argsort(np.ravel_multi_index(columns, sizes))
    return np.lexsort(columns[::-1])


class _Sent:
    """When each person was written to last in each process, and their latest messages of all, the newest first."""

    def __init__(self, people: int, processes: int, most: int, caps: Mapping[Millis, int]) -> None:
        """Nobody is asked for more than `most` times, so greater limits hold nothing back."""
        self._caps = {span: limit for span, limit in caps.items() if limit <= most}
        self._last = np.full((people, processes), NEVER, np.int64)
        self._latest = np.full((people, max(self._caps.values(), default=1)), NEVER, np.int64)

    def judge(
        self, people: npt.NDArray[np.int64], processes: npt.NDArray[np.uint16], at: Times, spacing: Times
    ) -> npt.NDArray[np.int64]:
        """Return a verdict for each of these different people. `spacing` is their processes' least."""
        capped = np.zeros(at.size, np.bool_)
        for span, limit in self._caps.items():
            capped |= self._latest[people, limit - 1] + span > at
        too_soon = at - self._last[people, processes] < spacing
        return np.where(too_soon, 1, np.where(capped, 2, 0))

    def add(self, people: npt.NDArray[np.int64], processes: npt.NDArray[np.uint16], at: Times) -> None:
        """Write to these different people, not before their latest message."""
        self._last[people, processes] = at
        self._latest[people, 1:] = self._latest[people, :-1]
        self._latest[people, 0] = at
