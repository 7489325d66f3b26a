"""Detect's rules over rows: which are armed, which have lapsed, and when each must be looked at again. Changes no row
but for `due`, which is derived from the others.

An event has two times: when it happened (`last_seen`, `closed`) and when its record was written (`heard`). Producers'
clocks are wrong and phones send late, so neither time alone leads to a reminder.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from consumer.clock import Millis
from consumer.detect.lapse_rules import NEVER, Processes, Times
from consumer.detect.storage.hash_index import Rows
from consumer.detect.storage.row_store import Flags, RowStore


class Lapsed(NamedTuple):
    """Lapsed rows, each with its latest lapsed step, `last_seen + remind_after[step]`, and whether it has expired."""

    rows: Rows
    step: npt.NDArray[np.int64]
    lapsed_at: Times
    expired: Flags

    def where(self, which: Flags) -> "Lapsed":
        return Lapsed(self.rows[which], self.step[which], self.lapsed_at[which], self.expired[which])


class RowRules:
    """The rules of one table's rows."""

    def __init__(self, processes: Processes, store: RowStore, not_before: Millis = NEVER) -> None:
        """Nothing is asked of who was last seen before `not_before`."""
        self._rules = processes.rules
        self._processes = processes
        self._store = store
        self._not_before = not_before

    def armed(self, rows: Rows) -> Flags:
        """Return whether the process is unfinished, as far as is known.

        An activity straight after the ending (`settle`) is no new start. Nor is one that the ending followed in the
        log, unless its time is later by more than clocks are wrong (`clock_doubt`).
        """
        c = self._store
        later = c.last_seen[rows] - c.closed[rows]
        unfinished = (later > self._rules.settle) & ~(c.ending_last[rows] & (later <= self._rules.clock_doubt))
        known_from = np.maximum(self._processes.not_before(c.process[rows]), self._not_before)
        return unfinished & (c.last_seen[rows] >= known_from)

    def ended_after(self, rows: Rows, asked_seen: Times) -> Flags:
        """Return whether the process ended after these activities.

        An ending that arrives late may lie just before the last activity; what counts is that nothing is unfinished.
        """
        c = self._store
        earlier = asked_seen - c.closed[rows]
        return (earlier <= self._rules.settle) | (c.ending_last[rows] & (earlier <= self._rules.clock_doubt))

    def schedule(self, rows: Rows) -> None:
        """Compute `due`: the watermark at which these rows must be looked at again, to ask or to drop them (rule 6)."""
        c, rules = self._store, self._rules
        seen = c.last_seen[rows]
        lapse = np.maximum(seen + self._processes.wait(c.process[rows], c.step[rows]), self._hushed_until(rows))
        unfinished = np.minimum(lapse + rules.allowed_lateness, seen + rules.forget_after)
        # The last activity that did not arm the key is the latest that a repeat could revive.
        finished = np.maximum(seen, c.closed[rows]) + rules.closed_kept_for
        c.due[rows] = np.where(self.armed(rows), unfinished, finished)

    def find_due(self, watermark: Millis) -> Rows:
        return np.flatnonzero(self._store.due[: self._store.used] <= watermark)

    def find_lapsed(self, rows: Rows, watermark: Millis) -> Lapsed:
        """Return which of these armed rows have lapsed: silent for a rung's span, and not heard of during `hush`."""
        c, reached = self._store, watermark - self._rules.allowed_lateness
        step = self._processes.latest_lapsed(c.process[rows], reached - c.last_seen[rows])
        lapsed = (step >= c.step[rows]) & (reached >= self._hushed_until(rows))
        rows, step = rows[lapsed], step[lapsed]
        lapsed_at = c.last_seen[rows] + self._processes.wait(c.process[rows], step)
        return Lapsed(rows, step, lapsed_at, watermark - lapsed_at > self._rules.expire_after)

    def _hushed_until(self, rows: Rows) -> Times:
        return self._store.heard[rows] + self._processes.hush(self._store.process[rows])
