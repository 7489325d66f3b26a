"""Detect's rules over rows: which are armed, which have lapsed, and when each must be looked at again. Changes nothing
of a row but what is derived from it (`storage/due_rows.py`).

An event has two times: when it happened (`last_seen`, `closed`) and when its record was written (`heard`). Producers'
clocks are wrong and phones send late, so neither time alone leads to a reminder.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from consumer.clock import Millis
from consumer.detect.lapse_rules import NEVER, AskedFrom, Processes, Times
from consumer.detect.storage.due_rows import DueRows
from consumer.detect.storage.hash_index import Rows
from consumer.detect.storage.row_store import Flags, RowStore

Copies: TypeAlias = npt.NDArray[np.void]
"""Rows as `RowStore.read` returns them."""


class Lapsed(NamedTuple):
    """Lapsed rows, each with its latest lapsed step, the step to ask for, `last_seen + remind_after[step]`, and whether
    it has expired, or lapsed before lapses are asked for (`AskedFrom`)."""

    rows: Rows
    latest: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    lapsed_at: Times
    expired: Flags
    too_early: Flags

    @property
    def asked(self) -> Flags:
        return ~(self.expired | self.too_early)

    def where(self, which: Flags) -> "Lapsed":
        steps = self.latest[which], self.step[which]
        return Lapsed(self.rows[which], *steps, self.lapsed_at[which], self.expired[which], self.too_early[which])


class Limits(NamedTuple):
    """The rules in ms, as arrays by the process's code where they differ: `rungs` by its steps, too, ALWAYS beyond the
    last; nobody last seen before `known_from` is asked."""

    rungs: Times
    hush: Times
    known_from: Times
    settle: Millis
    clock_doubt: Millis
    allowed_lateness: Millis
    forget_after: Millis
    closed_kept_for: Millis


def outdone(later: Any, ending_last: Any, settle: Millis, clock_doubt: Millis) -> Any:
    """Return whether an ending overrules an activity that is `later` by so many ms; of one, or of arrays."""
    return (later <= settle) | (ending_last & (later <= clock_doubt))


class RowRules:
    """The rules of one table's rows."""

    def __init__(self, processes: Processes, store: RowStore, not_before: Millis = NEVER) -> None:
        """A row that was last seen before `not_before` lapses without a reminder request."""
        self._rules = processes.rules
        self._processes = processes
        self._store = store
        self._not_before = not_before
        self._asked_from: Times | None = None
        self.due_rows = DueRows(store)

    def ask_from(self, asked_from: AskedFrom) -> None:
        """Ask for no lapse of before these moments."""
        self._asked_from = self._processes.matrix_of(asked_from)

    def armed(self, rows: Rows) -> Flags:
        """Return whether the process is unfinished, as far as is known.

        An activity within `settle` after the ending is no new start. Nor is one that stands before the ending in the
        log, unless its time is later by more than clocks may differ (`clock_doubt`).
        """
        return self._armed(self._store.read(rows))

    def ended_after(self, rows: Rows, asked_seen: Times) -> Flags:
        """Return whether the process ended after these activities.

        An ending that arrives late may lie just before the last activity; what counts is that nothing is unfinished.
        """
        return self._outdone(self._store.read(rows), asked_seen)

    def schedule(self, rows: Rows) -> None:
        """Have these rows looked at again when they are due."""
        self.due_rows.schedule(rows, self.due(self._store.read(rows)))

    def due(self, read: Copies) -> Times:
        """Return the watermark at which these rows must be looked at again, to ask or to drop them (rule 6)."""
        rules, process = self._rules, read["process"]
        seen: Times = read["last_seen"]
        lapse = np.maximum(seen + self._processes.wait(process, read["step"]), self._hushed_until(read))
        due: Times = np.minimum(lapse + rules.allowed_lateness, seen + rules.forget_after)
        unarmed = ~self._armed(read)
        if unarmed.any():
            # The last activity that did not arm the key is the latest that a repeat could revive.
            finished = np.maximum(seen, read["closed"]) + rules.closed_kept_for
            due = np.where(unarmed, finished, due)
        return due

    def limits(self) -> Limits:
        """Return what `due` depends on besides the row."""
        r, (rungs, hush), known_from = self._rules, self._processes.by_code(), self._known_from()
        return Limits(
            rungs, hush, known_from, r.settle, r.clock_doubt, r.allowed_lateness, r.forget_after, r.closed_kept_for
        )

    def put_off(self, lapsed: "Lapsed") -> None:
        """Have lapses wait, and look at them again when they expire or their next step lapses."""
        process, seen = self._store.process[lapsed.rows], self._store.last_seen[lapsed.rows]
        next_step = seen + self._processes.wait(process, lapsed.latest + 1) + self._rules.allowed_lateness
        expiry = lapsed.lapsed_at + self._rules.expire_after + 1
        self.due_rows.put_off(lapsed.rows, np.minimum(next_step, expiry))

    def find_lapsed(self, rows: Rows, watermarks: Times) -> Lapsed:
        """Return which of these rows have lapsed: armed, silent for a rung's span, and not heard of during `hush`.

        `watermarks` has one for each row.
        """
        read, reached = self._store.read(rows), watermarks - self._rules.allowed_lateness
        latest = self._processes.latest_lapsed(read["process"], reached - read["last_seen"])
        lapsed = self._armed(read) & (latest >= read["step"]) & (reached >= self._hushed_until(read))
        if not lapsed.all():
            rows, watermarks, reached = rows[lapsed], watermarks[lapsed], reached[lapsed]
            read, latest = read[lapsed], latest[lapsed]
        step, too_early = self._step_to_ask(read, latest, reached)
        lapsed_at = read["last_seen"] + self._processes.wait(read["process"], step)
        expired = watermarks - lapsed_at > self._rules.expire_after
        return Lapsed(rows, latest, step, lapsed_at, expired, too_early & ~expired)

    def _step_to_ask(
        self, read: Copies, latest: npt.NDArray[np.int64], reached: Times
    ) -> tuple[npt.NDArray[np.int64], Flags]:
        """Return the step of each row, and whether all that have lapsed did so before lapses are asked for."""
        if self._asked_from is None:
            return latest, np.zeros(latest.size, np.bool_)
        quiet = reached - read["last_seen"]
        step = self._processes.latest_asked(read["process"], read["last_seen"], quiet, self._asked_from)
        too_early = step < read["step"]
        return np.where(too_early, latest, step), too_early

    def _armed(self, read: Copies) -> Flags:
        unfinished: Flags = ~self._outdone(read, read["last_seen"])
        if self._processes.asks_everybody and self._not_before == NEVER:
            return unfinished
        known: Flags = read["last_seen"] >= self._known_from()[read["process"]]
        return unfinished & known

    def _known_from(self) -> Times:
        """Return from when on activities count, by the process's code."""
        return np.maximum(self._processes.not_before, self._not_before)

    def _outdone(self, read: Copies, seen: Times) -> Flags:
        """Return whether the ending overrules activities of these times."""
        return outdone(seen - read["closed"], read["ending_last"], self._rules.settle, self._rules.clock_doubt)  # type: ignore[no-any-return]

    def _hushed_until(self, read: Copies) -> Times:
        return read["heard"] + self._processes.hush(read["process"])
