"""The configured rules of lapses: the ladders of the processes and the spans around them, in milliseconds."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.clock import Millis

Times = npt.NDArray[np.int64]

NEVER: Millis = -(1 << 62)
"""Marks a time that has not happened; every real time is later."""

ALWAYS: Millis = 1 << 62
"""Marks a time that will not come; every real time is earlier."""

REMINDER_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://lapse.invalid/reminder")


def reminder_id(user_id: str, process: str, last_seen: Millis, remind_after: Millis) -> str:
    """Return the id of a reminder: the same lapse has the same id in every replay, and under every ladder.

    Made of the rung's span and not of its number: where a rung is taken out of a ladder, the next one takes its number
    and is still another lapse.
    """
    # With lengths, so that no user id can look like another user's id and process.
    name = f"{len(user_id)}:{user_id}{len(process)}:{process}{last_seen}:{remind_after}"
    return str(uuid.uuid5(REMINDER_IDS, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class LapseRules:
    """When a user has lapsed, and when a row may be dropped.

    `ladders` maps each process to its rising `remind_after` spans. Clocks are taken to be wrong by up to
    `clock_doubt`. Nobody is asked within `hush` (of a process: at most its shortest rung) of their latest record.
    """

    ladders: Mapping[str, Sequence[Millis]]
    allowed_lateness: Millis
    settle: Millis
    clock_doubt: Millis
    hush: Millis
    expire_after: Millis
    forget_after: Millis

    @property
    def closed_kept_for(self) -> Millis:
        """Return how long a closed key is kept, so that a late or repeated event can only revive what has expired."""
        longest = max(ladder[-1] for ladder in self.ladders.values())
        return longest + self.expire_after + self.allowed_lateness


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFrom:
    """From when on lapses are asked for; what lapsed before is counted. None or absent: whenever it lapsed.

    `start` holds for all: the first start, or as far before it as was configured. `rungs` holds for the rungs of a
    process that were added later, by their spans: so everybody who passed that span before is treated alike, whatever
    they were asked before.
    """

    start: Millis | None = None
    rungs: Mapping[str, Mapping[Millis, Millis]] = field(default_factory=dict)


EVERY_LAPSE = AskedFrom()


class Processes:
    """Maps process names to small numbers, and their ladders to one matrix. Shared by the tables of a process.

    A process that was removed from the configuration keeps its state, so that endings still count if it comes back,
    but it has no rungs: it never lapses.
    """

    def __init__(self, rules: LapseRules) -> None:
        self.rules = rules
        self.names: list[str] = list(rules.ladders)
        self.known = pl.Enum(self.names)
        """The processes whose events are applied, by their numbers."""
        self.asks_everybody = True
        """No process asks only of who was last seen from some time on."""
        self._not_before = np.full(len(self.names), NEVER, np.int64)
        self._codes = {name: code for code, name in enumerate(self.names)}
        longest = max(len(ladder) for ladder in rules.ladders.values())
        self._rungs = np.full((len(self.names), longest + 1), ALWAYS, np.int64)
        for code, ladder in enumerate(rules.ladders.values()):
            self._rungs[code, : len(ladder)] = ladder
        self._hush = np.array([min(rules.hush, ladder[0]) for ladder in rules.ladders.values()], np.int64)

    def code(self, name: str) -> int:
        """Return the number of a process; one that is not configured gets a new number."""
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self.names)
            self.names.append(name)
            self.known = pl.Enum(self.names)
            self._not_before = np.append(self._not_before, NEVER)
            self._rungs = np.vstack([self._rungs, np.full(self._rungs.shape[1], ALWAYS, np.int64)])
            self._hush = np.append(self._hush, 0)
        return code

    def wait(self, codes: npt.NDArray[np.uint16], steps: npt.NDArray[Any]) -> Times:
        """Return how long after `last_seen` these steps lapse; `ALWAYS` beyond the last rung."""
        width = self._rungs.shape[1]
        return self._rungs.ravel()[codes.astype(np.int64) * width + np.minimum(steps, width - 1)]  # type: ignore[no-any-return]

    def ask_only_from(self, name: str, not_before: Millis) -> None:
        """Ask nothing in a process of who was last seen before this time."""
        self.asks_everybody = False
        code = self.code(name)
        self._not_before[code] = max(self._not_before[code], not_before)

    @property
    def not_before(self) -> Times:
        """Return the time before which a last activity is too old to be reminded of, by the process's code."""
        return self._not_before

    def hush(self, codes: npt.NDArray[np.uint16]) -> Times:
        """Return how long after its latest record each process sends no reminder request."""
        return self._hush[codes]

    def latest_lapsed(self, codes: npt.NDArray[np.uint16], quiet: Times) -> npt.NDArray[np.int64]:
        """Return the latest step that has lapsed after `quiet` ms of silence, -1 if none."""
        steps = np.full(quiet.size, -1, np.int64)
        for spans in self._rungs.T:  # (a sum over short rows takes three times as long)
            steps += spans[codes] <= quiet
        return steps

    def latest_asked(
        self, codes: npt.NDArray[np.uint16], last_seen: Times, quiet: Times, asked_from: Times
    ) -> npt.NDArray[np.int64]:
        """Return the latest step that has lapsed, and not before `asked_from` (see `matrix_of`); -1 if none."""
        spans, quiet = self._rungs[codes], quiet[:, None]
        asked = (spans <= quiet) & (last_seen[:, None] + np.minimum(spans, quiet) >= asked_from[codes])
        last = asked.shape[1] - 1 - np.argmax(asked[:, ::-1], axis=1)
        return np.where(asked.any(axis=1), last, -1)

    def by_code(self) -> tuple[Times, Times]:
        """Return the rungs and the hush of each process."""
        return self._rungs, self._hush

    def matrix_of(self, asked_from: AskedFrom) -> Times | None:
        """Return the moment for each process and rung; None if there is none at all."""
        if asked_from == EVERY_LAPSE:
            return None
        found = np.full((len(self.names), self._rungs.shape[1]), asked_from.start or NEVER, np.int64)
        for code, (name, ladder) in enumerate(self.rules.ladders.items()):
            for rung, span in enumerate(ladder):
                found[code, rung] = max(found[code, rung], asked_from.rungs.get(name, {}).get(span, NEVER))
        return found
