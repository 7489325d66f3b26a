"""Who is in the middle of what, and since when: the rules of design §4 over whole batches.

State rests on two maxima for each (user, process), so duplicates and reordering cannot change it: `last_seen` of
STARTED and PROGRESSED, `closed` of COMPLETED and CANCELLED. Nothing here reads a clock: the partition's clock and
the wall time come in as arguments.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.clock import Millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import ALWAYS, NEVER, LapseRules, Processes, Times, reminder_id
from consumer.detect.storage.hash_index import Hashes, KeyIndex, Rows
from consumer.detect.storage.row_store import ENDED, RETURNED, Flags, RowStore
from consumer.records import Ending, Reminder, ReminderKind

_ROOMY = 1 << 16  # rows below which nothing is tidied
_MOVED = 1 << 14
_ENDING_KINDS = {Ending.COMPLETED: ReminderKind.COMPLETED, Ending.CANCELLED: ReminderKind.CANCELLED}


@dataclass(slots=True)
class AdvanceResult:
    """What a look at the clock brought: reminders to ask for, and lapses that lead to none, counted by
    (process, step, outcome) with outcome `asked`, `expired` or `skipped`."""

    asked: list[Reminder] = field(default_factory=list)
    lapses: dict[tuple[str, int, str], int] = field(default_factory=dict)
    forgotten: int = 0
    held: int = 0
    """Lapses that were not asked for because they are held back."""


class Table:
    """The rows of one partition."""

    def __init__(self, rules: LapseRules) -> None:
        self.rules = rules
        self.processes = Processes(rules)
        self.store = RowStore()
        self._index = KeyIndex()
        self.new_users: list[tuple[Rows, pl.Series]] = []
        """Users put into rows since the state was last written, in order; the rows of each are distinct."""
        self.new_actions: list[tuple[Rows, pl.Series]] = []
        """Actions likewise."""

    def __len__(self) -> int:
        return self.store.tracked

    @property
    def nbytes(self) -> int:
        return self.store.nbytes + 4 * len(self._index)

    def apply(self, heard: ActivityBatch, now: Millis) -> list[Reminder]:
        """Apply one batch. Returns RETURNED, COMPLETED and CANCELLED for reminders that were asked for."""
        if not len(heard):
            return []
        rows = self._rows_of(heard)
        self._see(rows, heard)
        self._end(rows, heard)
        self.store.dirty[rows] = True
        self.schedule(rows)
        return self._follow_up(rows, now)

    def advance_to(self, clock: Millis, now: Millis, *, hold: bool = False) -> AdvanceResult:
        """Let the partition's clock reach `clock`: ask for what has lapsed, forget what can be forgotten.

        With `hold` nothing is asked for: what has lapsed stays due, unless it is too old to be of use.
        """
        c = self.store
        rows = self._due(clock)
        noticed = AdvanceResult()
        if rows.size:
            held = self._ask(rows[self.armed(rows)], clock, now, noticed, hold=hold)
            rows = np.setdiff1d(rows, held, assume_unique=True) if held.size else rows
            noticed.held = held.size
            self.schedule(rows)
            c.dirty[rows] = True
            gone = rows[c.due[rows] <= clock]  # what is due still, after it was asked for, is due to go
            noticed.forgotten = gone.size
            self._forget(gone)
        self._tidy()
        return noticed

    def count_due(self, clock: Millis) -> int:
        """How many reminders would be asked for if the clock reached `clock`."""
        rows = self._due(clock)
        _, _, _, expired = self._lapses(rows[self.armed(rows)], clock)
        return int(np.count_nonzero(~expired))

    def _due(self, clock: Millis) -> Rows:
        return np.flatnonzero(self.store.due[: self.store.used] <= clock)

    def _see(self, rows: Rows, heard: ActivityBatch) -> None:
        """Rule 1: a later activity starts a new episode; an older one (or none: NEVER) changes nothing."""
        c, at = self.store, np.where(heard.endings == Ending.NONE, heard.at, NEVER)
        before = c.last_seen[rows]
        np.maximum.at(c.last_seen, rows, at)
        latest = (at == c.last_seen[rows]) & (at != NEVER)
        newer = latest & (at > before)
        c.step[rows[newer]] = 0
        changes = np.flatnonzero(latest & (heard.says | ~c.action.is_none(rows)))
        if changes.size:
            self._speak(rows[changes], heard.actions.gather(changes), fresh=newer[changes])

    def _end(self, rows: Rows, heard: ActivityBatch) -> None:
        """Keep the latest ending and its kind; of several at that time the greatest kind, in whatever order they come."""
        ends = np.flatnonzero(heard.endings)
        if not ends.size:
            return
        c, rows, at, endings = self.store, rows[ends], heard.at[ends], heard.endings[ends]
        before = c.closed[rows]
        np.maximum.at(c.closed, rows, at)
        latest = at == c.closed[rows]
        c.ending[rows[latest & (at > before)]] = Ending.NONE
        np.maximum.at(c.ending, rows[latest], endings[latest])

    def _speak(self, rows: Rows, actions: pl.Series, fresh: Flags) -> None:
        """The action of the latest activity; at equal times the greater bytes win, and none is the least."""
        if self._repeats(rows):
            said = pl.DataFrame({"row": rows, "action": actions, "fresh": fresh})
            said = said.group_by("row").agg(pl.col("action").max(), pl.col("fresh").any())
            rows, actions, fresh = said["row"].to_numpy(), said["action"], said["fresh"].to_numpy()
        if not fresh.all():
            wins = fresh | self._beats_current(rows, actions, ~fresh)
            rows, actions = rows[wins], actions.filter(pl.Series(wins))
        self.store.action.put(rows, actions)
        self.new_actions.append((rows, actions))

    def _repeats(self, rows: Rows) -> bool:
        """Whether a row is named twice. `due` serves as the slate: it is made anew after every batch."""
        places = np.arange(rows.size)
        self.store.due[rows] = places
        return bool((self.store.due[rows] != places).any())

    def _beats_current(self, rows: Rows, actions: pl.Series, ties: Flags) -> Flags:
        wins = np.zeros(rows.size, np.bool_)
        there = self.store.action.get(rows[ties])
        said = actions.filter(pl.Series(ties)).to_list()
        wins[ties] = [
            s is not None and (t is None or s.encode() > t.encode()) for s, t in zip(said, there, strict=True)
        ]
        return wins

    def armed(self, rows: Rows) -> Flags:
        return self.store.last_seen[rows] > self.store.closed[rows] + self.rules.settle

    def schedule(self, rows: Rows) -> None:
        """Say when the clock must look at these rows again: to ask, or to forget (rule 6)."""
        c = self.store
        seen, closed = c.last_seen[rows], c.closed[rows]
        lapse = self.processes.wait(c.process[rows], c.step[rows]) + self.rules.allowed_lateness
        unfinished = seen + np.minimum(lapse, self.rules.forget_after)
        # A page view within `settle` of the completion is the last thing that a repeat could revive.
        finished = np.maximum(seen, closed) + self.rules.closed_kept_for
        c.due[rows] = np.where(seen > closed + self.rules.settle, unfinished, finished)

    def _ask(self, rows: Rows, clock: Millis, now: Millis, noticed: AdvanceResult, *, hold: bool) -> Rows:
        """Rules 2, 3 and 5: the latest lapsed step is asked for, once, unless it is too old to be of use.

        Returns the rows that are held back.
        """
        c = self.store
        rows, step, lapsed_at, expired = self._lapses(rows, clock)
        held = rows[~expired][: None if hold else 0]
        if hold:
            rows, step, lapsed_at, expired = rows[expired], step[expired], lapsed_at[expired], expired[expired]
        self._count(rows, step, expired, noticed)
        c.step[rows] = step + 1
        rows, step, lapsed_at = rows[~expired], step[~expired], lapsed_at[~expired]
        c.asked_seen[rows], c.asked_step[rows], c.told[rows] = c.last_seen[rows], step, 0
        actions = self.store.action.get(rows)
        noticed.asked += self._reminders(ReminderKind.DUE, rows, lapsed_at, now, actions)
        return held

    def _lapses(self, rows: Rows, clock: Millis) -> tuple[Rows, npt.NDArray[np.int64], Times, Flags]:
        """Of these armed rows those that have lapsed: the latest step, when it did, whether that is too long ago."""
        c = self.store
        quiet = clock - self.rules.allowed_lateness - c.last_seen[rows]
        step = self.processes.latest_lapsed(c.process[rows], quiet)
        lapsed = step >= c.step[rows]
        rows, step = rows[lapsed], step[lapsed]
        lapsed_at = c.last_seen[rows] + self.processes.wait(c.process[rows], step)
        return rows, step, lapsed_at, clock - lapsed_at > self.rules.expire_after

    def _count(self, rows: Rows, step: npt.NDArray[np.int64], expired: Flags, noticed: AdvanceResult) -> None:
        first = self.store.step[rows]
        told = pl.DataFrame({"process": self.store.process[rows], "first": first, "step": step, "expired": expired})
        for code, lowest, latest, late, count in told.group_by(pl.all()).len().iter_rows():
            name = self.processes.names[code]
            outcomes = [(s, "skipped") for s in range(lowest, latest)] + [(latest, "expired" if late else "asked")]
            for s, outcome in outcomes:
                key = (name, s, outcome)
                noticed.lapses[key] = noticed.lapses.get(key, 0) + count

    def _follow_up(self, rows: Rows, now: Millis) -> list[Reminder]:
        """Rule 4: tell once of the return, and once of the ending, of whoever was asked about."""
        c = self.store
        rows = np.unique(rows[c.asked_seen[rows] != NEVER])
        if not rows.size:
            return []
        seen, told = c.asked_seen[rows], c.told[rows]
        returned = rows[(c.last_seen[rows] > seen) & (told == 0)]
        # An ending told late may lie before the last page view: what counts is that nothing is unfinished.
        ended = rows[(c.closed[rows] + self.rules.settle >= seen) & (told & ENDED == 0)]
        c.told[returned] |= RETURNED
        c.told[ended] |= ENDED
        reminders = self._reminders(ReminderKind.RETURNED, returned, c.last_seen[returned], now)
        for ending, kind in _ENDING_KINDS.items():
            which = ended[c.ending[ended] == ending]
            reminders += self._reminders(kind, which, c.closed[which], now)
        return reminders

    def _reminders(
        self, kind: ReminderKind, rows: Rows, occurred_at: Times, now: Millis, actions: list[str | None] | None = None
    ) -> list[Reminder]:
        c = self.store
        lapsed_at = c.asked_seen[rows] + self.processes.wait(c.process[rows], c.asked_step[rows])
        columns = (c.process[rows], c.asked_seen[rows], c.asked_step[rows], lapsed_at, occurred_at)
        fields = zip(c.user.get(rows), actions or [None] * rows.size, *(x.tolist() for x in columns), strict=True)
        made = []
        for user, action, code, seen, step, lapsed, occurred in fields:
            process = self.processes.names[code]
            made.append(
                Reminder(
                    reminder_id=reminder_id(str(user), process, seen, step),
                    kind=kind,
                    user_id=user,
                    process=process,
                    step=step,
                    action=action,
                    last_seen=seen,
                    lapsed_at=lapsed if lapsed < ALWAYS else None,
                    occurred_at=occurred,
                    detected_at=now,
                )
            )
        return made

    def _forget(self, rows: Rows) -> None:
        if rows.size:
            self._index.remove(self.store.low[rows], rows)
            self.store.release(rows)

    def _tidy(self) -> None:
        """Where most rows are free: move the last ones forward and, once that is written, give their room back.

        So many at a time that no commit grows long by it.
        """
        c = self.store
        if c.used < _ROOMY or c.tracked > c.used // 2:
            return
        end = c.used - _MOVED
        c.withdraw(end)
        if (last := c.live_rows(end)).size:
            to = c.allocate(last.size)
            self._index.replace(c.low[last], last, to)
            c.move(last, to)
            c.dirty[last] = c.dirty[to] = True
            self.new_users.append((to, c.user.column(to)))
            self.new_actions.append((to, c.action.column(to)))
        elif not c.dirty[end : c.used].any() and c.cut(end):
            self.reindex()

    def _rows_of(self, heard: ActivityBatch) -> Rows:
        """The rows of these keys, made where there are none."""
        low, high, c = heard.low, heard.high, self.store
        rows = self._index.find(low, high, c.low, c.high)
        new = np.flatnonzero(rows < 0)
        while new.size:
            firsts = new[np.unique(low[new], return_index=True)[1]]
            self._add(heard.users.gather(firsts), heard.codes[firsts], low[firsts], high[firsts])
            rows[new] = self._index.find(low[new], high[new], c.low, c.high)
            new = new[rows[new] < 0]
        return rows

    def _add(self, users: pl.Series, codes: npt.NDArray[np.uint16], low: Hashes, high: Hashes) -> None:
        c = self.store
        rows = c.allocate(low.size)
        c.low[rows], c.high[rows], c.process[rows] = low, high, codes
        c.user.put(rows, users)
        self.new_users.append((rows, users))
        self.new_actions.append((rows, pl.Series([None], dtype=pl.String).new_from_index(0, rows.size)))
        if self._index.has_room_for(rows.size):
            self._index.insert(low, rows)
        else:
            self.reindex()

    def reindex(self) -> None:
        """Make the index anew from the live rows."""
        c = self.store
        live = c.live_rows()
        self._index.rebuild(c.low[live], live)
