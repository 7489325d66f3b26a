"""A table as frames to keep and to load: what changed, and pages of whole rows.

A delta holds the rows that changed, with a user where the row was filled and an action where one was set; texts it
leaves out are those of earlier frames. A page holds every live row of its range, whole, and replaces it. Loading
frames in the order they were taken rebuilds the table, wherever one starts, once each page has been met.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.detect.columns import Columns
from consumer.detect.index import Rows
from consumer.detect.table import Table

PAGE = 1024
"""Rows in a page: with the longest user id and action that are let in, it stays under a broker's message limit."""

_NUMBERS = ("last_seen", "closed", "step", "asked_seen", "asked_step", "told")


class DamagedState(Exception):
    """Frames that do not make a table."""


def pages(table: Table) -> int:
    """How many pages the table has."""
    return -(-table.columns.used // PAGE)


def take_changes(table: Table) -> pl.DataFrame:
    """The rows that changed since this was last asked, and those that left (not `live`)."""
    c = table.columns
    rows = np.flatnonzero(c.dirty[: c.used]).astype(np.int32)
    c.dirty[rows] = False
    users, actions = _latest(table.named, "user"), _latest(table.spoken, "action")
    table.named, table.spoken = [], []
    changed = _numbers(table, rows)
    joined = changed.join(users, on="row", how="left", maintain_order="left")
    return joined.join(
        actions.with_columns(spoke=pl.lit(True)), on="row", how="left", maintain_order="left"
    ).with_columns(pl.col("spoke").fill_null(False))


def page(table: Table, number: int) -> pl.DataFrame:
    """The live rows of page `number`, whole."""
    c = table.columns
    start = number * PAGE
    rows = (start + np.flatnonzero(c.live[start : min(start + PAGE, c.used)])).astype(np.int32)
    return _numbers(table, rows).with_columns(
        pl.Series("user", c.user.get(rows), pl.String),
        pl.Series("action", c.action.get(rows), pl.String),
        spoke=pl.lit(True),
    )


def load_page(table: Table, number: int, frame: pl.DataFrame) -> None:
    """Replace a page's rows."""
    c = table.columns
    c.reserve((number + 1) * PAGE)
    c.used = max(c.used, (number + 1) * PAGE)
    rows = np.arange(number * PAGE, (number + 1) * PAGE, dtype=np.int32)
    kept = frame["row"].to_numpy()
    if kept.size and (kept.min() < rows[0] or kept.max() > rows[-1]):
        raise DamagedState(f"page {number} holds rows of another page")
    _clear(c, np.setdiff1d(rows, kept, assume_unique=True))
    load_changes(table, frame)


def load_changes(table: Table, frame: pl.DataFrame) -> None:
    """Apply a delta, or the rows of a page."""
    if frame.is_empty():
        return
    c = table.columns
    top = int(frame["row"].max()) + 1  # type: ignore[arg-type]
    c.reserve(top)
    c.used = max(c.used, top)
    _clear(c, frame.filter(~pl.col("live"))["row"].to_numpy())
    frame = frame.filter("live")
    rows = frame["row"].to_numpy()
    names = frame["process"].unique()
    codes = frame["process"].replace_strict(names, [table.processes.code(n) for n in names], return_dtype=pl.UInt16)
    c.process[rows] = codes.to_numpy()
    c.live[rows] = True
    for name in _NUMBERS:
        getattr(c, name)[rows] = frame[name].to_numpy()
    _load_users(table, frame.filter(pl.col("user").is_not_null()))
    spoken = frame.filter("spoke")
    c.action.put(spoken["row"].to_numpy(), spoken["action"])


def finish(table: Table, clock: Millis, ladders: Mapping[str, Sequence[Millis]]) -> None:
    """After the last frame: check the rows, index them, and skip steps that a changed ladder finds already past.

    `clock` and `ladders` are those under which the last frame was taken. Raises DamagedState.
    """
    c = table.columns
    live = c.live_rows()
    if c.user.is_none(live).any():
        raise DamagedState("rows without a user: a segment is missing")
    c.free_the_rest()
    for name, now in table.rules.ladders.items():
        if name in ladders and list(ladders[name]) != list(now):
            _skip_what_is_past(table, live[c.process[live] == table.processes.code(name)], clock)
    table.reindex()
    table.schedule(live)


def _skip_what_is_past(table: Table, rows: Rows, clock: Millis) -> None:
    c = table.columns
    quiet = clock - table.rules.allowed_lateness - c.last_seen[rows]
    c.step[rows] = table.processes.latest_lapsed(c.process[rows], quiet) + 1
    c.dirty[rows] = True


def _load_users(table: Table, frame: pl.DataFrame) -> None:
    c = table.columns
    rows = frame["row"].to_numpy()
    low, high = table.hashes(frame["user"], c.process[rows])
    # The same user told again is left where it is: a long run of deltas would fill the buffer with copies.
    other = (c.low[rows] != low) | (c.high[rows] != high) | c.user.is_none(rows)
    c.low[rows], c.high[rows] = low, high
    c.user.put(rows[other], frame["user"].filter(pl.Series(other)))


def _clear(c: Columns, rows: Rows) -> None:
    c.blank(rows)
    c.user.clear(rows)
    c.action.clear(rows)


def _numbers(table: Table, rows: Rows) -> pl.DataFrame:
    c = table.columns
    names = pl.Series(table.processes.names, dtype=pl.String)
    return pl.DataFrame(
        {
            "row": rows,
            "live": c.live[rows],
            "process": names.gather(c.process[rows].astype(np.uint32)),
            **{name: getattr(c, name)[rows] for name in _NUMBERS},
        }
    )


def _latest(told: list[tuple[Rows, pl.Series]], name: str) -> pl.DataFrame:
    frames = [
        pl.DataFrame({"row": rows, name: texts}, schema={"row": pl.Int32, name: pl.String}) for rows, texts in told
    ]
    empty = pl.DataFrame(schema={"row": pl.Int32, name: pl.String})
    return pl.concat([empty, *frames]).unique("row", keep="last")
