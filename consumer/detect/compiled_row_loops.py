"""The loops of `row_loops.py` as compiled code, activity by activity. It needs numba, which is optional."""

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from consumer.byte_columns.siphash import SipHash
from consumer.byte_columns.text_spans import Texts, spans_of
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.lapse_rules import NEVER
from consumer.detect.row_loops import Heard, RowLoops
from consumer.detect.row_rules import RowRules, outdone
from consumer.detect.storage.hash_index import EMPTY, Hashes, KeyIndex, Rows
from consumer.detect.storage.row_store import ROW, RowStore
from consumer.records import Ending

_numba: Any = numba
_outdone: Any = _numba.njit(outdone)
_NO_ENDING = int(Ending.NONE)


class CompiledRowLoops(RowLoops):
    """Compiles once in a process, in a few seconds, when the first is made."""

    def __init__(self, hash_key: bytes) -> None:
        """`hash_key` is of 16 bytes. Where nobody knows it, nobody can find users who would be taken for each other."""
        self._find, self._distinct, self._place, self._hear = _compile()
        self._hash = SipHash(hash_key)

    def hash_users(self, users: Texts) -> tuple[Hashes, Hashes]:
        return self._hash(spans_of(users))

    def find(self, index: KeyIndex, store: RowStore, low: Hashes, high: Hashes) -> Rows:
        return self._find(index.slots, low, high, store.low, store.high)  # type: ignore[no-any-return]

    def distinct(self, low: Hashes, high: Hashes) -> tuple[Rows, Rows]:
        return self._distinct(low, high)  # type: ignore[no-any-return]

    def insert(self, index: KeyIndex, low: Hashes, rows: Rows) -> None:
        index.insert_by(self._place, low, rows)

    def hear(self, store: RowStore, rules: RowRules, rows: Rows, batch: ActivityBatch) -> Heard:
        heard = self._hear(store.rows, rows, batch.endings, batch.occurred_at, batch.written_at, *rules.limits())
        return Heard(*heard)


def _find_rows(slots: Any, low: Any, high: Any, lows: Any, highs: Any) -> Any:
    last = np.uint64(slots.size - 1)
    found = np.empty(low.size, np.int64)
    for i in range(low.size):
        at = low[i] & last
        row = slots[at]
        while row != EMPTY and not (row >= 0 and lows[row] == low[i] and highs[row] == high[i]):
            at = (at + np.uint64(1)) & last
            row = slots[at]
        found[i] = row
    return found


def _distinct_keys(low: Any, high: Any) -> Any:
    size = 16
    while size < 2 * low.size:
        size *= 2
    slots, last = np.full(size, EMPTY, np.int32), np.uint64(size - 1)
    firsts, numbers = np.empty(low.size, np.int64), np.empty(low.size, np.int64)
    count = 0
    for i in range(low.size):
        at = low[i] & last
        while slots[at] != EMPTY and not (low[firsts[slots[at]]] == low[i] and high[firsts[slots[at]]] == high[i]):
            at = (at + np.uint64(1)) & last
        if slots[at] == EMPTY:
            slots[at], firsts[count] = count, i
            count += 1
        numbers[i] = slots[at]
    return firsts[:count], numbers


def _place_rows(slots: Any, low: Any, rows: Any) -> None:
    last = np.uint64(slots.size - 1)
    for i in range(low.size):
        at = low[i] & last
        while slots[at] != EMPTY:
            at = (at + np.uint64(1)) & last
        slots[at] = rows[i]


def _hear_batch(
    table: Any,
    rows: Any,
    endings: Any,
    occurred_at: Any,
    written_at: Any,
    rungs: Any,
    hush: Any,
    known_from: Any,
    settle: int,
    clock_doubt: int,
    allowed_lateness: int,
    forget_after: int,
    closed_kept_for: int,
) -> Any:
    before = np.empty(rows.size, np.int64)
    for i in range(rows.size):
        before[i] = table[rows[i]]["last_seen"]

    for i in range(rows.size):
        row, at = table[rows[i]], occurred_at[i]
        if endings[i] == _NO_ENDING:
            row["heard"] = max(row["heard"], written_at[i])
            if at > row["last_seen"]:
                row["last_seen"], row["step"], row["ending_last"] = at, 0, False
        elif at > row["closed"]:
            row["closed"], row["ending"], row["ending_last"] = at, endings[i], True
        elif at == row["closed"]:
            row["ending"] = max(row["ending"], endings[i])

    latest, newer = np.empty(rows.size, np.bool_), np.empty(rows.size, np.bool_)
    due, asked = np.empty(rows.size, np.int64), np.empty(rows.size, np.bool_)
    for i in range(rows.size):
        row = table[rows[i]]
        seen, closed, process = row["last_seen"], row["closed"], row["process"]
        latest[i] = endings[i] == _NO_ENDING and occurred_at[i] == seen and seen != NEVER
        newer[i] = latest[i] and seen > before[i]
        asked[i] = row["asked_seen"] != NEVER
        if not _outdone(seen - closed, row["ending_last"], settle, clock_doubt) and seen >= known_from[process]:
            wait = rungs[process, min(row["step"], rungs.shape[1] - 1)]
            lapse = max(seen + wait, row["heard"] + hush[process])
            due[i] = min(lapse + allowed_lateness, seen + forget_after)
        else:
            due[i] = max(seen, closed) + closed_kept_for
    return latest, newer, due, asked


@cache
def _compile() -> tuple[Any, Any, Any, Any]:
    def given(kind: Any, dimensions: int = 1) -> Any:
        return types.Array(kind, dimensions, "A", readonly=True)

    def compiled(loop: Any, *arguments: Any) -> Any:
        return _numba.njit(arguments, nogil=True)(loop)

    times, hashes, spans = given(types.int64), given(types.uint64), (types.int64,) * 5
    events, rows = (given(types.uint8), times, times), given(types.int64)
    table, slots = types.Array(_numba.from_dtype(ROW), 1, "C"), types.Array(types.int32, 1, "C")
    return (
        compiled(_find_rows, given(types.int32), hashes, hashes, hashes, hashes),
        compiled(_distinct_keys, hashes, hashes),
        compiled(_place_rows, slots, hashes, rows),
        compiled(_hear_batch, table, rows, *events, given(types.int64, 2), times, times, *spans),
    )
