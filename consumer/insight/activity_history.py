"""One user's activities, read through detect's own rules as if its watermark had always kept up. Pure."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import ALWAYS, NEVER, LapseRules, Processes
from consumer.detect.table import Table
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
    """What detect's rules make of the activities: what was asked for, what expired or was skipped, and where each
    process stands."""

    asked: list[Reminder] = field(default_factory=list)
    passed_over: dict[tuple[str, int, str], int] = field(default_factory=dict)
    standings: list[Standing] = field(default_factory=list)


def replay(user_id: str, activities: list[Activity], rules: LapseRules, watermark: Millis) -> Replay:
    """Apply the rules to one user's activities, in the order in which they were written, up to the watermark."""
    table, found = Table(Processes(rules)), Replay()
    for activity in activities:
        _advance(table, found, min(activity.written_at, watermark))
        table.apply(ActivityBatch.of(_frame(user_id, activity), table.processes.known), activity.written_at)
    codes = range(len(table.processes.names))
    before = [_standing(table, code) for code in codes]  # advancing may drop what is over
    _advance(table, found, watermark)
    after = [_standing(table, code) for code in codes]
    found.standings = [now or then for now, then in zip(after, before, strict=True) if then is not None]
    return found


def _advance(table: Table, found: Replay, watermark: Millis) -> None:
    result = table.advance_to(watermark, watermark)
    found.asked += result.asked
    for (process, step, outcome), count in result.lapses.items():
        if outcome != "asked":
            key = (process, step, outcome)
            found.passed_over[key] = found.passed_over.get(key, 0) + count


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


def _frame(user_id: str, activity: Activity) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": [user_id],
            "process": [activity.process],
            "ending": [int(activity.ending)],
            "action": [activity.action],
            "occurred_at": [activity.occurred_at],
            "written_at": [activity.written_at],
        },
        schema_overrides={"ending": pl.UInt8, "action": pl.String},
    )
