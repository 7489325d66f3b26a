"""The open processes of one partition's users: the rules of ARCHITECTURE.md#lapse-rules, applied to whole batches.

The state of each (user, process) rests on two maxima, so duplicates and reordering cannot change it: `last_seen` of
STARTED and PROGRESSED, `closed` of COMPLETED and CANCELLED. Nothing here reads a clock: the watermark and the wall
time are arguments.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.byte_columns.text_spans import Texts, series_of
from consumer.clock import Millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import NEVER, Processes, Times
from consumer.detect.reminder_batch import ReminderBatch
from consumer.detect.row_loops import PLAIN_LOOPS, Heard, RowLoops
from consumer.detect.row_reminders import build_reminders
from consumer.detect.row_rules import Lapsed, RowRules
from consumer.detect.storage.hash_index import Hashes, KeyIndex, Rows
from consumer.detect.storage.row_store import ENDED, RETURNED, Flags, RowStore
from consumer.detect.storage.traces import NO_TRACE, put_greater
from consumer.records import Ending, Reminder, ReminderKind

_COMPACT_FROM_ROWS = 1 << 16  # tables with fewer rows are never compacted
_ROWS_PER_COMPACTION = 1 << 14
ALL_LAPSES = 1 << 62
"""No limit to how many are asked for."""
_ENDING_KINDS = {Ending.COMPLETED: ReminderKind.COMPLETED, Ending.CANCELLED: ReminderKind.CANCELLED}


@dataclass(slots=True)
class AdvanceResult:
    """What a new watermark led to: the reminders to ask for, and the number of lapses by (process, step, outcome),
    where outcome is `asked`, `expired`, `skipped` or `before_start`."""

    asked: list[ReminderBatch] = field(default_factory=list)
    lapses: dict[tuple[str, int, str], int] = field(default_factory=dict)

    def __add__(self, other: "AdvanceResult") -> "AdvanceResult":
        lapses = {key: self.lapses.get(key, 0) + other.lapses.get(key, 0) for key in {**self.lapses, **other.lapses}}
        return AdvanceResult(self.asked + other.asked, lapses)

    def reminders(self) -> list[Reminder]:
        """Return what is asked for as single records."""
        return [reminder for batch in self.asked for reminder in batch]


class Table:
    """The rows of one partition."""

    def __init__(
        self, processes: Processes, *, not_before: Millis | None = None, loops: RowLoops = PLAIN_LOOPS
    ) -> None:
        """`processes` and `loops` may be shared by tables. Rows last seen before `not_before` lapse without a reminder
        request."""
        self.processes = processes
        self.loops = loops
        self.store = RowStore()
        self.row_rules = RowRules(processes, self.store, NEVER if not_before is None else not_before)
        self._index = KeyIndex()
        self.new_users: list[Rows] = []
        """Rows in which users were stored since the state was last written."""
        self.new_actions: list[Rows] = []
        """Rows in which actions were."""

    def __len__(self) -> int:
        return self.store.tracked

    @property
    def nbytes(self) -> int:
        return self.store.nbytes + 4 * len(self._index)

    def apply(self, batch: ActivityBatch, now: Millis) -> list[ReminderBatch]:
        """Apply one batch. Returns RETURNED, COMPLETED and CANCELLED for reminders that were asked for."""
        if not len(batch):
            return []
        rows = self._find_or_add_rows(batch)
        heard = self.loops.hear(self.store, self.row_rules, rows, batch)
        self._keep_texts(rows, batch, heard)
        self.store.dirty[rows] = True
        self.row_rules.due_rows.schedule(rows, heard.due)
        return self._follow_up(np.unique(rows[heard.asked]), now)

    @property
    def waiting(self) -> int:
        """The lapses that were found, and wait to be asked for."""
        return self.row_rules.due_rows.waiting

    def advance_to(
        self, watermark: Millis, now: Millis, *, hold: bool = False, limit: int = ALL_LAPSES
    ) -> AdvanceResult:
        """Advance the watermark: find what has lapsed, and ask for it: for nothing with `hold`, else for the oldest
        lapses up to `limit`. The others wait."""
        result = self.find_lapses(watermark, now)
        return result if hold else result + self.ask_for_lapses(watermark, now, limit)

    def find_lapses(self, watermark: Millis, now: Millis) -> AdvanceResult:
        """Have what has lapsed wait to be asked for, and drop rows that are no longer needed."""
        self._compact()
        result, rows = AdvanceResult(), self.row_rules.due_rows.find(watermark)
        if rows.size:
            lapsed = self.row_rules.find_lapsed(rows, np.full(rows.size, watermark))
            waiting, others = lapsed.where(lapsed.asked), lapsed.where(~lapsed.asked)
            rows = np.setdiff1d(rows, waiting.rows, assume_unique=True)
            self._step_past(rows, np.full(rows.size, watermark), others, now, result)
            self.row_rules.put_off(waiting)
        return result

    def ask_for_lapses(self, watermark: Millis, now: Millis, limit: int) -> AdvanceResult:
        """Ask for the oldest lapses that wait, up to `limit`."""
        rows = self.row_rules.due_rows.take(limit)
        return self.advance_rows(rows, np.full(rows.size, watermark), now)

    def find(self, batch: ActivityBatch) -> Rows:
        """Return the row of each activity's key, -1 if there is none."""
        return self._find(batch.low, batch.high)

    def advance_rows(self, rows: Rows, watermarks: Times, now: Millis) -> AdvanceResult:
        """Ask for what has lapsed of these rows, each at its own watermark, by which it is due."""
        result = AdvanceResult()
        if rows.size:
            lapsed = self.row_rules.find_lapsed(rows, watermarks)
            self._step_past(rows, watermarks, lapsed, now, result)
        return result

    def _keep_texts(self, rows: Rows, batch: ActivityBatch, heard: Heard) -> None:
        """Keep the action and the trace context of each row's latest activity."""
        c, latest, newer = self.store, heard.latest, heard.newer
        changes = np.flatnonzero(latest & (batch.has_action | ~c.action.is_none(rows)))
        if changes.size:
            self._set_actions(rows[changes], batch.actions.gather(changes), fresh=newer[changes])
        if batch.traces is not None or c.traces is not None:
            kept = c.keep_traces()
            kept[rows[newer]] = NO_TRACE
            if batch.traces is not None:
                put_greater(kept, rows[latest], batch.traces[latest])

    def _set_actions(self, rows: Rows, actions: Texts, fresh: Flags) -> None:
        """Store the action of the latest activity; at equal times the greatest bytes win, and null is the least."""
        if self._has_duplicates(rows):
            said = pl.DataFrame({"row": rows, "action": series_of(actions), "fresh": fresh})
            said = said.group_by("row").agg(pl.col("action").max(), pl.col("fresh").any())
            rows, actions, fresh = said["row"].to_numpy(), said["action"], said["fresh"].to_numpy()
        if not fresh.all():
            wins = np.flatnonzero(fresh | self._beats_current(rows, actions, ~fresh))
            rows, actions = rows[wins], actions.gather(wins)
        self.store.action.put(rows, actions)
        self.new_actions.append(rows)

    def _has_duplicates(self, rows: Rows) -> bool:
        """Return whether a row occurs twice. `due` serves as scratch space: it is computed anew after every batch."""
        indices = np.arange(rows.size)
        self.store.due[rows] = indices
        return bool((self.store.due[rows] != indices).any())

    def _beats_current(self, rows: Rows, actions: Texts, ties: Flags) -> Flags:
        wins = np.zeros(rows.size, np.bool_)
        there = self.store.action.get(rows[ties])
        said = series_of(actions.gather(np.flatnonzero(ties))).to_list()
        wins[ties] = [
            s is not None and (t is None or s.encode() > t.encode()) for s, t in zip(said, there, strict=True)
        ]
        return wins

    def _step_past(self, rows: Rows, watermarks: Times, lapsed: Lapsed, now: Millis, result: AdvanceResult) -> None:
        """Rules 2, 3 and 5: ask once for the latest lapsed step, unless it has expired, or lapsed before the start.

        `lapsed` are those of the rows that have lapsed; the others are only looked at again later, or dropped.
        """
        c, names = self.store, self.processes.names
        self._count_lapses(lapsed, result)
        c.step[lapsed.rows] = lapsed.latest + 1
        asked = lapsed.where(lapsed.asked)
        c.asked_seen[asked.rows], c.reported[asked.rows] = c.last_seen[asked.rows], 0
        c.asked_after[asked.rows], c.asked_step[asked.rows] = asked.lapsed_at - c.last_seen[asked.rows], asked.step
        result.asked += build_reminders(c, names, ReminderKind.DUE, asked.rows, asked.lapsed_at, now)
        self.row_rules.schedule(rows)
        c.dirty[rows] = True
        self._forget(rows[c.due[rows] <= watermarks])  # rows still due have no step left and can be dropped

    def _count_lapses(self, lapsed: Lapsed, result: AdvanceResult) -> None:
        process, first = self.store.process[lapsed.rows], self.store.step[lapsed.rows]
        columns = process, first, lapsed.step, lapsed.latest, lapsed.expired, lapsed.too_early
        alike = np.zeros(lapsed.rows.size, np.int64)
        for column in columns:
            alike = alike << 8 | column  # only the first, a process's code, may be greater
        _, examples, counts = np.unique(alike, return_index=True, return_counts=True)
        for example, count in zip(examples.tolist(), counts.tolist(), strict=True):
            code, first_step, step, latest, expired, too_early = (int(column[example]) for column in columns)
            outcomes = dict.fromkeys(range(first_step, step), "skipped")
            outcomes[step] = "expired" if expired else "before_start" if too_early else "asked"
            outcomes |= dict.fromkeys(range(step + 1, latest + 1), "before_start")
            for s, outcome in outcomes.items():
                key = (self.processes.names[code], s, outcome)
                result.lapses[key] = result.lapses.get(key, 0) + count

    def _follow_up(self, rows: Rows, now: Millis) -> list[ReminderBatch]:
        """Rule 4: of rows that were asked for, report the first return and the first ending since, each once."""
        c, names = self.store, self.processes.names
        if not rows.size:
            return []
        seen, reported = c.asked_seen[rows], c.reported[rows]
        returned = rows[(c.last_seen[rows] > seen) & (reported == 0)]
        ended = rows[self.row_rules.ended_after(rows, seen) & (reported & ENDED == 0)]
        c.reported[returned] |= RETURNED
        c.reported[ended] |= ENDED
        reminders = build_reminders(c, names, ReminderKind.RETURNED, returned, c.last_seen[returned], now)
        for ending, kind in _ENDING_KINDS.items():
            which = ended[c.ending[ended] == ending]
            reminders += build_reminders(c, names, kind, which, c.closed[which], now)
        return reminders

    def _forget(self, rows: Rows) -> None:
        if rows.size:
            self._index.remove(self.store.low[rows], rows)
            self.store.release(rows)

    def _compact(self) -> None:
        """If most rows are free, move the last rows forward and, once that is written, release their memory.

        A few rows at a time, so that no commit gets long.
        """
        c = self.store
        if c.used < _COMPACT_FROM_ROWS or c.tracked > c.used // 2:
            return
        end = c.used - _ROWS_PER_COMPACTION
        c.drop_free_rows_from(end)
        if (last := c.live_rows(end)).size:
            to = c.allocate(last.size)
            self._index.replace(c.low[last], last, to)
            self.row_rules.due_rows.schedule(last, c.due[last])  # none that moves stands in the queue
            c.move(last, to)
            self.row_rules.schedule(to)
            c.dirty[last] = c.dirty[to] = True
            self.new_users.append(to)
            self.new_actions.append(to)
        elif not c.dirty[end : c.used].any() and c.cut(end):
            self.reindex()

    def _find_or_add_rows(self, batch: ActivityBatch) -> Rows:
        """Return the rows of these keys, adding those that are missing."""
        low, high = batch.low, batch.high
        rows = self._find(low, high)
        new = np.flatnonzero(rows < 0)
        if new.size:
            firsts, places = self.loops.distinct(low[new], high[new])
            firsts = new[firsts]
            added = self._add_rows(batch.users.gather(firsts), batch.process_codes[firsts], low[firsts], high[firsts])
            rows[new] = added[places]
        return rows

    def _find(self, low: Hashes, high: Hashes) -> Rows:
        return self.loops.find(self._index, self.store, low, high)

    def _add_rows(self, users: Texts, process_codes: npt.NDArray[np.uint16], low: Hashes, high: Hashes) -> Rows:
        c = self.store
        rows = c.allocate(low.size)
        c.low[rows], c.high[rows], c.process[rows] = low, high, process_codes
        c.user.put(rows, users)
        self.new_users.append(rows)
        self.new_actions.append(rows)
        if self._index.has_room_for(rows.size):
            self.loops.insert(self._index, low, rows)
        else:
            self.reindex()
        return rows

    def reindex(self) -> None:
        """Build the index from the live rows."""
        c = self.store
        live = c.live_rows()
        self._index.rebuild(c.low[live], live)
