"""What counts as gone quiet, as configured: the ladders of the processes and the spans around them.

Spans and moments are whole milliseconds.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.clock import Millis

Times = npt.NDArray[np.int64]

NEVER: Millis = -(1 << 62)
"""Stands for "has not happened" among moments; every real moment is later."""

ALWAYS: Millis = 1 << 62
"""Stands for "will not happen"; every real moment is earlier."""

_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://lapse.invalid/reminder")


def reminder_id(user_id: str, process: str, last_seen: Millis, step: int) -> str:
    """The id of a reminder: the same lapse has the same id in every replay."""
    # Lengths in front, so that no user id can be made to look like another user's id and process.
    name = f"{len(user_id)}:{user_id}{len(process)}:{process}{last_seen}:{step}"
    return str(uuid.uuid5(_IDS, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class LapseRules:
    """When a user has lapsed, and when a user may be forgotten.

    `ladders` maps each process to its rising `remind_after` spans.
    """

    ladders: Mapping[str, Sequence[Millis]]
    allowed_lateness: Millis
    settle: Millis
    expire_after: Millis
    forget_after: Millis

    @property
    def closed_kept_for(self) -> Millis:
        """How long a closed key stays, so that a late or repeated event can only revive what has expired."""
        longest = max(ladder[-1] for ladder in self.ladders.values())
        return longest + self.expire_after + self.allowed_lateness


class Processes:
    """Process names as small numbers, and their ladders as one matrix, for columns of rows.

    A name that configuration does not know keeps its rows but has no rungs: nothing of it ever lapses.
    """

    def __init__(self, rules: LapseRules) -> None:
        self.names: list[str] = list(rules.ladders)
        self.known = pl.Enum(self.names)
        """Those of the configuration."""
        self._codes = {name: code for code, name in enumerate(self.names)}
        longest = max(len(ladder) for ladder in rules.ladders.values())
        self._rungs = np.full((len(self.names), longest + 1), ALWAYS, np.int64)
        for code, ladder in enumerate(rules.ladders.values()):
            self._rungs[code, : len(ladder)] = ladder

    def code(self, name: str) -> int:
        """The number of a process, made up for one that configuration does not know."""
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self.names)
            self.names.append(name)
            self._rungs = np.vstack([self._rungs, np.full(self._rungs.shape[1], ALWAYS, np.int64)])
        return code

    def wait(self, codes: npt.NDArray[np.uint16], steps: npt.NDArray[Any]) -> Times:
        """How long after `last_seen` these steps lapse; `ALWAYS` beyond the last rung."""
        width = self._rungs.shape[1]
        return self._rungs.ravel()[codes.astype(np.int64) * width + np.minimum(steps, width - 1)]  # type: ignore[no-any-return]

    def latest_lapsed(self, codes: npt.NDArray[np.uint16], quiet: Times) -> npt.NDArray[np.int64]:
        """The latest step that has lapsed after being quiet for so long, -1 if none."""
        return (self._rungs[codes] <= quiet[:, None]).sum(axis=1) - 1  # type: ignore[no-any-return]
