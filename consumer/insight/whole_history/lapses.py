"""Detect's rules (ARCHITECTURE.md#lapse-rules) over a whole history at once, with a watermark that always kept up.

What a key's state is after each record follows from running maxima, and until the key's next record nothing changes but
the time. So the lapses between two records are known from the state and the two moments, without a table.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from consumer.clock import Millis
from consumer.detect.lapse_rules import NEVER, Processes, Times
from consumer.detect.storage.row_store import Flags
from consumer.insight.whole_history.activities import Activities, Places, firsts, pick, running_max
from consumer.records import Ending

OUTCOMES = ("asked", "expired", "skipped")


class Lapses(NamedTuple):
    """Columns of equal length; `outcomes` are places in `OUTCOMES`."""

    users: Places
    processes: npt.NDArray[np.uint16]
    steps: Places
    lapsed_at: Times
    outcomes: Places


class _Silences(NamedTuple):
    """What holds from a record until its key's next one, or until the key is forgotten.

    Nothing is asked before `hushed_until`, nor noticed after `ends`. `run` numbers the activities that began anew.
    """

    users: Places
    processes: npt.NDArray[np.uint16]
    runs: Places
    last_seen: Times
    armed: Flags
    hushed_until: Times
    ends: Times
    forgotten: Flags


def find_lapses(activities: Activities, processes: Processes, until: Millis) -> Iterator[Lapses]:
    """Yield the lapses until then. A key's activities count in the order in which they were written."""
    activities = activities.in_order_of(activities.written_at)
    while activities.size:
        silences = _silences(activities, processes, until)
        behind = _behind_first(silences.forgotten, activities.keys)
        yield from _lapses(silences, ~behind, processes)
        activities = pick(activities, behind)  # what follows a key that was forgotten begins anew


def _silences(activities: Activities, processes: Processes, until: Millis) -> _Silences:
    keys, rules, written = activities.keys, processes.rules, activities.written_at
    begins, places = firsts(keys), np.arange(keys.size)
    segments = np.cumsum(begins) - 1
    active = activities.endings == Ending.NONE
    seen = _latest_time(activities.occurred_at, active, segments)
    closed = _latest_time(activities.occurred_at, ~active, segments)
    heard = written[np.maximum(_latest(active, places), 0)]  # of another key where there is none, which is not armed
    starts = _rises(seen, begins)
    # Which was written later, the latest activity or the latest ending? The first record of a key is one of the two.
    ending_last = _latest(_rises(closed, begins), places) > _latest(starts, places)
    settle = np.where(ending_last, max(rules.settle, rules.clock_doubt), rules.settle)
    armed = (seen != NEVER) & (seen - closed > settle)
    ends = np.append(written[1:], until)
    ends[np.append(begins[1:], True)] = until
    ends = np.maximum(ends, written)
    kept_until = np.where(armed, seen + rules.forget_after, np.maximum(seen, closed) + rules.closed_kept_for)
    forgotten_at = np.maximum(kept_until, written)
    return _Silences(
        users=activities.users,
        processes=activities.processes,
        runs=np.cumsum(starts),
        last_seen=seen,
        armed=armed,
        hushed_until=np.maximum(heard + processes.hush(activities.processes) + rules.allowed_lateness, written),
        ends=np.minimum(ends, forgotten_at),
        forgotten=forgotten_at <= ends,
    )


def _lapses(silences: _Silences, which: Flags, processes: Processes) -> Iterator[Lapses]:
    """Yield the lapses of each step in these silences.

    Of several that are noticed at the same moment only the latest is asked for.
    """
    rules, width = processes.rules, max(map(len, processes.rules.ladders.values()))
    quiet = silences.ends - rules.allowed_lateness - silences.last_seen
    shortest = processes.wait(silences.processes, np.zeros(quiet.size, np.int64))
    which = which & silences.armed & (quiet >= shortest) & (silences.hushed_until <= silences.ends)
    silences = pick(silences, which)
    if not silences.runs.size:
        return
    quiet = silences.ends - rules.allowed_lateness - silences.last_seen
    passed = processes.latest_lapsed(silences.processes, quiet) + 1
    begins = firsts(silences.runs)
    before = np.roll(running_max(passed, np.cumsum(begins) - 1), 1)
    before[begins] = 0
    for step in range(width):
        which = (before <= step) & (step < passed)
        part, next_step = pick(silences, which), np.full(int(which.sum()), step + 1)
        lapsed_at = part.last_seen + processes.wait(part.processes, next_step - 1)
        noticed_at = np.maximum(lapsed_at + rules.allowed_lateness, part.hushed_until)
        next_at = part.last_seen + processes.wait(part.processes, next_step) + rules.allowed_lateness
        skipped = (step + 1 < passed[which]) & (next_at <= part.hushed_until)
        outcomes = np.where(skipped, 2, np.where(noticed_at - lapsed_at > rules.expire_after, 1, 0))
        yield Lapses(part.users, part.processes, next_step - 1, lapsed_at, outcomes)


def _latest_time(times: Times, which: Flags, segments: Places) -> Times:
    """Return the greatest of these times so far within each segment, `NEVER` before the first."""
    before = int(times.min()) - 1
    found = running_max(np.where(which, times - before, 0), segments)
    return np.where(found > 0, found + before, NEVER)


def _rises(running: Times, begins: Flags) -> Flags:
    """Return where a running maximum rises."""
    before = np.roll(running, 1)
    before[begins] = NEVER
    return running > before


def _latest(which: Flags, places: Places) -> Places:
    """Return the place of the latest of these so far, -1 before the first."""
    latest: Places = np.maximum.accumulate(np.where(which, places, -1))
    return latest


def _behind_first(which: Flags, keys: Places) -> Flags:
    """Return what stands, within its key, behind the first of these."""
    begins = firsts(keys)
    earlier: Places = np.cumsum(which) - which
    behind: Flags = earlier > earlier[begins][np.cumsum(begins) - 1]
    return behind
