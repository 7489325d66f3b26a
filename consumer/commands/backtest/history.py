"""A history between reading and replay: put aside by groups of users, so that memory holds some of them at a time."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import polars as pl

from consumer.clock import Millis
from consumer.insight.return_curve import GROUPS, groups_of
from consumer.insight.whole_history.activities import RECORD, Activities, Records, order, records_of, take

_IN_MEMORY_BYTES = 4 << 20
"""Of each group; what is more goes to a temporary file. So 400 MB, or ten million activities, need no disk."""
_PART = 1 << 16
"""Activities that are replayed together, in whole groups: few, whose columns stay in the processor's cache."""


class History(ExitStack):
    """Activities in the order in which they were read, 40 bytes each, and the messages that went out meanwhile."""

    def __init__(self, processes: pl.Enum) -> None:
        super().__init__()
        self._processes = processes
        self._groups = [
            self.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES))  # noqa: SIM115
            for _ in range(GROUPS)
        ]
        self.first_occurred: Millis | None = None
        self.last_written: Millis | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Add activities of any processes. Columns as in `records_of`."""
        if not frame.height:
            return
        first, last = int(frame["occurred_at"].min()), int(frame["written_at"].max())  # type: ignore[arg-type]
        self.first_occurred = first if self.first_occurred is None else min(first, self.first_occurred)
        self.last_written = last if self.last_written is None else max(last, self.last_written)
        self.add_messages(frame)

    def add_messages(self, frame: pl.DataFrame) -> None:
        """Add messages, after all activities."""
        records = records_of(frame, self._processes)
        groups = groups_of(records["low"]).astype(np.uint8)
        records = take(records, np.argsort(groups, kind="stable"))
        stops = np.cumsum(np.bincount(groups, minlength=GROUPS)).tolist()
        for group, start, stop in zip(self._groups, [0, *stops], stops, strict=False):
            group.write(records[start:stop].data)

    def parts(self) -> Iterator[Activities]:
        """Yield all that was added, each user's in one part."""
        part: list[Records] = []
        for group in self._groups:
            group.seek(0)
            part.append(np.frombuffer(group.read(), RECORD))
            if sum(map(len, part)) >= _PART:
                yield order(np.concatenate(part))
                part = []
        if any(map(len, part)):
            yield order(np.concatenate(part))
