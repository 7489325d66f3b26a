"""Reminders of rows: what the table says of the last lapse that each row was asked for."""

from collections.abc import Sequence

import numpy as np

from consumer.byte_columns.cells import constant
from consumer.clock import Millis
from consumer.detect.lapse_rules import Times
from consumer.detect.reminder_batch import ReminderBatch
from consumer.detect.storage.hash_index import Rows
from consumer.detect.storage.row_store import RowStore
from consumer.records import ReminderKind

_MAX_REMINDERS_PER_BATCH = 4096  # so that what is made of a batch stays in the processor's cache


def build_reminders(
    store: RowStore, process_names: Sequence[str], kind: ReminderKind, rows: Rows, occurred_at: Times, now: Millis
) -> list[ReminderBatch]:
    """Return a reminder of this kind for each row, process by process; `occurred_at` has a time for each row."""
    processes, batches = store.process[rows], []
    for code in np.unique(processes).tolist():
        which = np.flatnonzero(processes == code)
        for first in range(0, which.size, _MAX_REMINDERS_PER_BATCH):
            some = which[first : first + _MAX_REMINDERS_PER_BATCH]
            batches.append(_build_batch(store, process_names[code], kind, rows[some], occurred_at[some], now))
    return batches


def _build_batch(
    store: RowStore, process: str, kind: ReminderKind, rows: Rows, occurred_at: Times, now: Millis
) -> ReminderBatch:
    """Return reminders of one process. Only a DUE has action and trace: they may be a later activity's by now."""
    traces = store.traces if kind is ReminderKind.DUE else None
    has_action = ~store.action.is_none(rows) & (kind is ReminderKind.DUE)
    return ReminderBatch(
        kind=kind,
        process=process,
        users=store.user.cells(rows),
        actions=store.action.cells(rows) if has_action.any() else constant(b"", rows.size),
        has_action=has_action,
        steps=store.asked_step[rows].astype(np.int64),
        last_seen=store.asked_seen[rows],
        remind_after=store.asked_after[rows],
        occurred_at=occurred_at,
        detected_at=now,
        traces=None if traces is None else traces[rows],
    )
