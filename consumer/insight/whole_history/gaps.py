"""The gaps of a history: how long each user was silent in each process, and how each silence ended."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from consumer.clock import Millis
from consumer.detect.lapse_rules import ALWAYS, Times
from consumer.detect.storage.row_store import Flags
from consumer.insight.return_curve import GapCounts
from consumer.insight.whole_history.activities import MESSAGE, Activities, Places, firsts, pick
from consumer.records import Ending

SENDS = {"user_id": pl.String, "process": pl.String, "sent_at": pl.Int64}
"""The columns of messages that went out during the history."""


class Gaps(NamedTuple):
    """Columns of equal length, ordered by user and process: how long each lasted (ms), whether it ended with the
    person's return, and whether a message cut it."""

    keys: Places
    groups: Places
    processes: npt.NDArray[np.uint16]
    lengths: Times
    ended: Flags
    cut: Flags


def find_gaps(activities: Activities, until: Millis) -> Gaps:
    """Return the gaps that begin until then.

    A gap lasts from an activity until the next activity or ending of the same user and process. It is censored at the
    end of the history, and where a message went out: what came after that is not the person's own doing. (At the same
    millisecond the record that was read later counts as the later one.)
    """
    activities = activities.in_order_of(activities.occurred_at)
    messages = activities.endings == MESSAGE
    back_at = _next_time(~messages, activities.keys, activities.occurred_at)
    sent_at = _next_time(messages, activities.keys, activities.occurred_at)
    ends = np.minimum(np.minimum(back_at, sent_at), until)
    ended = back_at == ends
    gaps = Gaps(
        activities.keys,
        activities.groups,
        activities.processes,
        ends - activities.occurred_at,
        ended,
        (sent_at == ends) & ~ended,
    )
    return pick(gaps, (activities.endings == Ending.NONE) & (activities.occurred_at <= until))


@dataclass(slots=True)
class GapsOfProcess:
    """A process's gaps as counts, and how many of them a message cut."""

    counts: GapCounts = field(default_factory=GapCounts)
    cut_by_messages: int = 0

    def add(self, gaps: Gaps) -> None:
        """Count gaps of people who were not counted before."""
        self.counts.add(gaps.lengths, gaps.ended, gaps.groups)
        self.counts.add_people(np.maximum.reduceat(gaps.lengths, np.flatnonzero(firsts(gaps.keys))))
        self.cut_by_messages += int(gaps.cut.sum())


def messages_of(sends: pl.DataFrame) -> pl.DataFrame:
    """Return messages as activities of the kind `MESSAGE`. `sends` has the columns of `SENDS`."""
    return sends.select(
        "user_id",
        "process",
        ending=pl.lit(MESSAGE, pl.UInt8),
        occurred_at="sent_at",
        written_at="sent_at",
    )


def _next_time(which: Flags, keys: Places, times: Times) -> Times:
    """Return the time of the next of these behind each place, of the same key; `ALWAYS` if there is none."""
    if not which.any():
        return np.full(keys.size, ALWAYS)
    places = np.where(which, np.arange(keys.size), keys.size)
    behind = np.append(np.minimum.accumulate(places[::-1])[::-1][1:], keys.size)
    found = np.minimum(behind, keys.size - 1)
    return np.where((behind < keys.size) & (keys[found] == keys), times[found], ALWAYS)
