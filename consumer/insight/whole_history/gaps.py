"""The gaps of a history: how long each user was silent in each process, and how each silence ended."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.detect.lapse_rules import ALWAYS, Times
from consumer.detect.storage.row_store import Flags
from consumer.insight.return_curve import GapCounts
from consumer.insight.whole_history.activities import MESSAGE, Activities, Places, firsts
from consumer.records import Ending

SENDS = {"user_id": pl.String, "process": pl.String, "sent_at": pl.Int64}
"""The columns of messages that went out during the history."""


@dataclass(slots=True)
class Gaps:
    """A process's gaps, and how many of them a message cut."""

    counts: GapCounts = field(default_factory=GapCounts)
    cut_by_messages: int = 0

    def add(self, activities: Activities, until: Millis) -> None:
        """Count the gaps of other people in this process.

        A gap lasts from an activity until the next activity or ending of the same user and process. It is censored at
        the end of the history, and where a message went out: what came after that is not the person's own doing. (At
        the same millisecond the record that was read later counts as the later one.)
        """
        activities = activities.in_order_of(activities.occurred_at)
        keys, times = activities.keys, activities.occurred_at
        gaps = (activities.endings == Ending.NONE) & (times <= until)
        if not gaps.any():
            return
        messages = activities.endings == MESSAGE
        back_at = _next_time(~messages, keys, times)[gaps]
        sent_at = _next_time(messages, keys, times)[gaps] if messages.any() else np.full(back_at.size, ALWAYS)
        keys, times = keys[gaps], times[gaps]
        ends = np.minimum(np.minimum(back_at, sent_at), until)
        ended, lengths = back_at == ends, ends - times
        self.counts.add(lengths, ended, activities.groups[gaps])
        self.counts.add_people(np.maximum.reduceat(lengths, np.flatnonzero(firsts(keys))))
        self.cut_by_messages += int(((sent_at == ends) & ~ended).sum())


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
    places = np.where(which, np.arange(keys.size), keys.size)
    behind = np.append(np.minimum.accumulate(places[::-1])[::-1][1:], keys.size)
    found = np.minimum(behind, keys.size - 1)
    return np.where((behind < keys.size) & (keys[found] == keys), times[found], ALWAYS)
