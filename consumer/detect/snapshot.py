"""A table as frames to keep: what changed, and pages of whole rows.

A delta holds the rows that changed, with a user where the row was filled and an action where one was set; texts it
leaves out are those of earlier frames. A page holds every live row of its range, whole, and replaces it. The frames
since each page was last taken make the table again (`detect/snapshot_loader.py`).
"""

import numpy as np
import polars as pl

from consumer.detect.storage.hash_index import Rows
from consumer.detect.storage.row_store import Flags
from consumer.detect.table import Table

PAGE = 8192
"""Rows in a page."""

NUMBERS = ("last_seen", "closed", "step", "asked_seen", "asked_step", "told", "ending")

SCHEMA = {
    "row": pl.Int32,
    "live": pl.Boolean,
    "process": pl.UInt16,
    "last_seen": pl.Int64,
    "closed": pl.Int64,
    "step": pl.UInt8,
    "asked_seen": pl.Int64,
    "asked_step": pl.UInt8,
    "told": pl.UInt8,
    "ending": pl.UInt8,
    "user": pl.String,
    "action": pl.String,
    "spoke": pl.Boolean,
}
"""The columns of every frame."""


class DamagedState(Exception):
    """Frames that do not make a table; `where` says which of them, if it is known."""

    def __init__(self, problem: str, where: str = "") -> None:
        super().__init__(problem)
        self.where = where


def pages(table: Table) -> int:
    """How many pages the table has."""
    return -(-table.store.used // PAGE)


def take_changes(table: Table) -> pl.DataFrame:
    """The rows that changed since this was last asked, and those that left (not `live`)."""
    c = table.store
    rows = np.flatnonzero(c.dirty[: c.used])
    c.dirty[rows] = False
    user, _ = _latest(table.new_users, rows, c.used)
    action, spoke = _latest(table.new_actions, rows, c.used)
    table.new_users, table.new_actions = [], []
    return _frame(table, rows, user, action, spoke)


def rows_between(table: Table, start: int, end: int) -> pl.DataFrame:
    """The live rows of a range, whole."""
    c = table.store
    rows = start + np.flatnonzero(c.live[start : min(end, c.used)])
    return _frame(table, rows, c.user.column(rows), c.action.column(rows), np.ones(rows.size, np.bool_))


def _frame(table: Table, rows: Rows, user: pl.Series, action: pl.Series, spoke: Flags) -> pl.DataFrame:
    c = table.store
    numbers = {name: getattr(c, name)[rows] for name in ("live", "process", *NUMBERS)}
    return pl.DataFrame({"row": rows.astype(np.int32), **numbers, "user": user, "action": action, "spoke": spoke})


def _latest(told: list[tuple[Rows, pl.Series]], rows: Rows, used: int) -> tuple[pl.Series, Flags]:
    """For each of the rows what was last told of it, and whether anything was."""
    if not told:
        return pl.Series([None], dtype=pl.String).new_from_index(0, rows.size), np.zeros(rows.size, np.bool_)
    places = np.full(used, -1, np.int32)
    every = np.concatenate([of for of, _ in told])
    places[every] = np.arange(every.size)  # of several for one row the last stays
    found = places[rows]
    texts = pl.concat([texts for _, texts in told])
    return texts.gather(pl.Series(found).set(pl.Series(found < 0), None)), found >= 0
