"""One user's activities, read through detect's own rules as if its watermark had always kept up. Pure."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.detect.lapse_rules import ALWAYS, NEVER, LapseRules, Processes
from consumer.detect.table import Table
from consumer.insight.replay import replay
from consumer.records import Ending, Reminder


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity as detect reads it. Times are milliseconds."""

    process: str
    ending: Ending
    action: str | None
    occurred_at: Millis
    written_at: Millis


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a process of the user stands after the last activity.

    `lapses_at` is when the next reminder is asked for if nothing more is heard; None if none is, because the process is
    closed or its last step has been asked for.
    """

    process: str
    last_seen: Millis | None
    closed_at: Millis | None
    open: bool
    next_step: int | None
    lapses_at: Millis | None


@dataclass(slots=True)
class Replay:
    """What detect's rules make of the activities: what was asked for, what lapsed, and where each process stands."""

    asked: list[Reminder] = field(default_factory=list)
    lapses: dict[tuple[str, int, str], int] = field(default_factory=dict)
    """As `AdvanceResult.lapses`."""
    standings: list[Standing] = field(default_factory=list)


def replay_activities(user_id: str, activities: list[Activity], rules: LapseRules, watermark: Millis) -> Replay:
    """Apply the rules to one user's activities, in the order in which they were written, up to the watermark."""
    table, found = Table(Processes(rules)), Replay()
    codes = range(len(table.processes.names))
    for result in replay(table, _frame(user_id, activities), watermark):
        found.asked += result.reminders()
        for key, count in result.lapses.items():
            found.lapses[key] = found.lapses.get(key, 0) + count
    found.standings = [each for each in (_standing(table, code) for code in codes) if each is not None]
    return found


def _standing(table: Table, code: int) -> Standing | None:
    """Return where a process stands; None if the user is not in the table with it."""
    store, rules = table.store, table.processes
    rows = np.flatnonzero(store.rows["live"][: store.used] & (store.process[: store.used] == code))
    if not rows.size:
        return None
    row = store.rows[rows[0]]
    seen, closed = int(row["last_seen"]), int(row["closed"])
    is_open = bool(table.row_rules.armed(rows)[0])
    codes = store.process[rows]
    wait = int(rules.wait(codes, store.step[rows])[0])
    lapses_at = None
    if is_open and wait < ALWAYS:
        hushed = int(row["heard"]) + int(rules.hush(codes)[0])
        lapses_at = max(seen + wait, hushed) + rules.rules.allowed_lateness
    return Standing(
        process=rules.names[code],
        last_seen=None if seen == NEVER else seen,
        closed_at=None if closed == NEVER else closed,
        open=is_open,
        next_step=int(row["step"]) if lapses_at is not None else None,
        lapses_at=lapses_at,
    )


def _frame(user_id: str, activities: list[Activity]) -> pl.DataFrame:
    columns = {
        "process": [each.process for each in activities],
        "ending": [int(each.ending) for each in activities],
        "action": [each.action for each in activities],
        "occurred_at": [each.occurred_at for each in activities],
        "written_at": [each.written_at for each in activities],
    }
    types = {"process": pl.String, "ending": pl.UInt8, "action": pl.String}
    types |= dict.fromkeys(("occurred_at", "written_at"), pl.Int64)
    return pl.DataFrame(columns, schema=types).with_columns(user_id=pl.lit(user_id))
