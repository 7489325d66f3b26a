"""What a batch of activities does to the rows of its keys, in array operations on all of them at once.

`compiled_row_loops.py` does the same activity by activity, which reads more easily.
"""

from typing import NamedTuple

import numpy as np

from consumer.byte_columns.text_spans import Texts
from consumer.detect.activity_batch import SEEDS, ActivityBatch, hash_users
from consumer.detect.lapse_rules import NEVER, Times
from consumer.detect.row_rules import RowRules
from consumer.detect.storage.hash_index import Hashes, KeyIndex, Rows
from consumer.detect.storage.row_store import Flags, RowStore
from consumer.records import Ending


class Heard(NamedTuple):
    """For each activity of a batch: whether it is the latest of its row, and whether it is later than all of before the
    batch; the watermark at which its row must be looked at again; and whether a reminder was asked for it."""

    latest: Flags
    newer: Flags
    due: Times
    asked: Flags


class RowLoops:
    """How users are hashed, and what is done to each row of each batch."""

    def __init__(self, seeds: tuple[int, int] = SEEDS) -> None:
        """Where nobody knows the seeds, hardly anybody can find users who would be taken for each other."""
        self._seeds = seeds

    def hash_users(self, users: Texts) -> tuple[Hashes, Hashes]:
        """Return the two halves of each user's hash."""
        return hash_users(users, self._seeds)

    def find(self, index: KeyIndex, store: RowStore, low: Hashes, high: Hashes) -> Rows:
        """Return the rows of keys, -1 if there is none."""
        return index.find(low, high, store.low, store.high)

    def distinct(self, low: Hashes, high: Hashes) -> tuple[Rows, Rows]:
        """Return where each distinct key stands first, in order, and for every key the place of that in the first."""
        order = np.lexsort((high, low))
        starts = np.ones(order.size, np.bool_)
        starts[1:] = (low[order[1:]] != low[order[:-1]]) | (high[order[1:]] != high[order[:-1]])
        firsts, groups = order[starts], np.empty(order.size, np.int64)
        groups[order] = np.cumsum(starts) - 1
        appeared, ranks = np.argsort(firsts), np.empty(firsts.size, np.int64)
        ranks[appeared] = np.arange(firsts.size)
        return firsts[appeared], ranks[groups]

    def insert(self, index: KeyIndex, low: Hashes, rows: Rows) -> None:
        """Insert distinct keys that are not in the index, which has room for them."""
        index.insert(low, rows)

    def hear(self, store: RowStore, rules: RowRules, rows: Rows, batch: ActivityBatch) -> Heard:
        """Apply a batch to the rows of its activities, but for their texts."""
        latest, newer = _hear_activities(store, rows, batch)
        _hear_endings(store, rows, batch, np.flatnonzero(newer))
        read = store.read(rows)
        return Heard(latest, newer, rules.due(read), read["asked_seen"] != NEVER)


PLAIN_LOOPS = RowLoops()


def _hear_activities(c: RowStore, rows: Rows, batch: ActivityBatch) -> tuple[Flags, Flags]:
    """Rule 1: a later activity starts anew with step 0; an older one (or none: NEVER) changes nothing but `heard`."""
    active = batch.endings == Ending.NONE
    occurred_at = np.where(active, batch.occurred_at, NEVER)
    before = c.last_seen[rows]
    np.maximum.at(c.last_seen, rows, occurred_at)
    np.maximum.at(c.heard, rows, np.where(active, batch.written_at, NEVER))
    latest = (occurred_at == c.last_seen[rows]) & (occurred_at != NEVER)
    newer = latest & (occurred_at > before)
    c.step[rows[newer]] = 0
    c.ending_last[rows[newer]] = False
    return latest, newer


def _hear_endings(c: RowStore, rows: Rows, batch: ActivityBatch, started: Rows) -> None:
    """Keep the latest ending and its kind; of several at the same time the greatest kind, in any order.

    `started` are the indices of the activities that are the latest of their rows now, and were not before.
    """
    ends = np.flatnonzero(batch.endings)
    if not ends.size:
        return
    ended, occurred_at, endings = rows[ends], batch.occurred_at[ends], batch.endings[ends]
    before = c.closed[ended]
    np.maximum.at(c.closed, ended, occurred_at)
    latest = occurred_at == c.closed[ended]
    newer = latest & (occurred_at > before)
    c.ending[ended[newer]] = Ending.NONE
    np.maximum.at(c.ending, ended[latest], endings[latest])
    # Which was written first of each row's latest activity and latest ending? `due` serves as scratch space. (Of
    # several values for one row numpy keeps the last: in reverse order, the first in the log.)
    ends, ended, activity_at = ends[newer][::-1], ended[newer][::-1], c.due
    activity_at[ended] = -1
    activity_at[rows[started[::-1]]] = started[::-1]
    c.ending_last[ended] = ends > activity_at[ended]
