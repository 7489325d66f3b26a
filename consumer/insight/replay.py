"""Applies history to a table of detect's as if its watermark had moved without pause. Pure.

The service collects lapses once in a while, for all keys together. In a replay each key is taken to its own moments:
just before its next record, every lapse that was due until then is collected, one after the other. Keys do not depend
on each other, so large batches are applied at once; only a key that was silent within a batch for long enough to lapse
makes the batch be cut.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import LapseRules, Times
from consumer.detect.storage.hash_index import Rows
from consumer.detect.table import AdvanceResult, Table
from consumer.records import Ending

_SLICE = 1 << 16
"""Activities that are applied together at most."""


def replay(table: Table, history: pl.DataFrame, until: Millis) -> Iterator[AdvanceResult]:
    """Apply the history in its order, and collect the lapses up to `until`.

    `history` has the columns of `ActivityBatch.of`: one partition's records in their order, or all of them sorted by
    `written_at`. The watermark follows the greatest `written_at` so far.
    """
    quiet = _longest_certain_activity(table.processes.rules)
    history = history.with_columns(clock=pl.col("written_at").cum_max())
    for part in history.iter_slices(_SLICE):
        yield from _collect(table, table.row_rules.due_rows.find(part["clock"][0]), part["clock"][0])
        for batch in _without_silences(part, quiet).partition_by("_round", maintain_order=True):
            yield from _apply(table, batch)
    yield from _collect(table, table.row_rules.due_rows.find(until), until)


def _longest_certain_activity(rules: LapseRules) -> Millis:
    """Return for how long after a key's latest record it cannot lapse, whatever times its records have."""
    return min(min(rules.hush, ladder[0]) for ladder in rules.ladders.values()) + rules.allowed_lateness


def _without_silences(part: pl.DataFrame, quiet: Millis) -> pl.DataFrame:
    """Add `_round`: within a round no key is silent for long enough to lapse, or to be forgotten, between its records.

    Records dated long before they were written get rounds of their own: what they leave may be over at once.
    """
    key = ["user_id", "process"]
    active, late = pl.col("ending") == Ending.NONE, pl.col("written_at") - pl.col("occurred_at") >= quiet
    heard = pl.when(active & ~late).then(pl.col("written_at"))
    part = part.with_columns(_heard=heard.cum_max().forward_fill().shift(1).over(key), _late=late.shift(1).over(key))
    calm = (pl.col("clock") - pl.col("_heard") < quiet) & ~pl.col("_late")
    begins = ~calm.fill_null(False) & pl.col("_late").is_not_null()  # the first of a key begins nothing
    return part.with_columns(_round=begins.cum_sum().over(key)).sort("_round", maintain_order=True)


def _apply(table: Table, frame: pl.DataFrame) -> Iterator[AdvanceResult]:
    """Apply one round: first collect what its keys had due before their first records, then what they leave due."""
    batch = ActivityBatch.of(frame, table.processes.known)
    if not len(batch):
        return
    clock = frame["clock"].to_numpy()[batch.indices]
    rows = table.find(batch)
    known = np.flatnonzero(rows >= 0)
    rows, first = np.unique(rows[known], return_index=True)
    yield from _collect_each(table, rows, clock[known[first]])
    table.apply(batch, int(clock[-1]))
    rows, last = np.unique(table.find(batch)[::-1], return_index=True)
    reached = clock[::-1][last]
    over = table.store.due[rows] <= reached
    if over.any():
        yield table.advance_rows(rows[over], reached[over], int(clock[-1]))


def _collect(table: Table, rows: Rows, until: Millis) -> Iterator[AdvanceResult]:
    yield from _collect_each(table, rows, np.full(rows.size, until))


def _collect_each(table: Table, rows: Rows, until: Times) -> Iterator[AdvanceResult]:
    """Collect for each row what is due until its moment, each at its own time."""
    while (due := table.store.due[rows] <= until).any():
        rows, until = rows[due], until[due]
        yield table.advance_rows(rows, table.store.due[rows].copy(), int(until.max()))
