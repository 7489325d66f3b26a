"""How many records of a partition were written when: what the brake judges the input by.

Counted by the time at which records were written, not read, so that catching up with a backlog looks like the days it
is made of. It is stored with the partition's state, so that neither a restart nor a move forgets it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from consumer.clock import Millis
from consumer.detect.lapse_rules import Times

_SPANS_STORED = ((64, 1), (48, 8))
"""What is stored: so many spans of so many windows each, the latest first."""
_BUCKETS_PER_WINDOW = 12
_WINDOWS_KEPT = 64 + 48 * 8 + 360
"""The stored spans, and six hours of backlog to be judged window by window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVolume:
    """`counts` are the records in the spans of _SPANS_STORED before `until`, the latest first; `since` is when counting
    began. Both are times (ms); a window is `window` ms."""

    window: Millis
    since: Millis
    until: Millis
    counts: Sequence[int]


class Volume:
    """Counts in buckets of a twelfth of the brake's window."""

    def __init__(self, window: Millis, stored: StoredVolume | None = None) -> None:
        self.width: Millis = max(1, window // _BUCKETS_PER_WINDOW)
        self._window = window
        self._counts: npt.NDArray[np.int64] = np.zeros(_WINDOWS_KEPT * _BUCKETS_PER_WINDOW, np.int64)
        self._end = 0  # the bucket behind the latest; bucket b is at index b - end + size
        self.since: Millis | None = None
        """The time from which on everything was counted; None while nothing is known."""
        if stored is not None and stored.window == window:
            self._load(stored)

    def observe(self, written_at: Times) -> None:
        """Count records by the times at which they were written."""
        if not written_at.size:
            return
        buckets = written_at // self.width
        self._reserve(int(buckets.max()) + 1)
        self.start(int(buckets.min()) * self.width)
        indices = buckets - self._end + self._counts.size
        indices = indices[indices >= 0]
        if indices.size:
            first = int(indices.min())
            counts = np.bincount(indices - first)
            self._counts[first : first + counts.size] += counts

    def start(self, since: Millis) -> None:
        """Count from this time on, unless counting has begun."""
        if self.since is None:
            self.since = since

    def count(self, begin: Millis, end: Millis) -> int:
        """Return the records written between two times; buckets at the ends count as a whole."""
        first, last = (max(0, at // self.width - self._end + self._counts.size) for at in (begin, end))
        return int(self._counts[first : last + 1].sum())

    def store(self) -> StoredVolume | None:
        """Return what to store, in spans that end with the latest bucket."""
        if self.since is None:
            return None
        counts, index = [], self._counts.size
        for number, windows in _SPANS_STORED:
            size = windows * _BUCKETS_PER_WINDOW
            spans = self._counts[index - number * size : index].reshape(number, size).sum(axis=1)
            counts += spans[::-1].tolist()
            index -= number * size
        while counts and not counts[-1]:
            counts.pop()
        return StoredVolume(window=self._window, since=self.since, until=self._end * self.width, counts=counts)

    def _load(self, stored: StoredVolume) -> None:
        """Spread each span's records evenly over its buckets."""
        self.since, self._end = stored.since, stored.until // self.width
        sizes = [windows * _BUCKETS_PER_WINDOW for number, windows in _SPANS_STORED for _ in range(number)]
        index = self._counts.size
        for count, size in zip(stored.counts, sizes, strict=False):
            self._counts[index - size : index] = np.diff(np.arange(size + 1) * count // size)
            index -= size

    def _reserve(self, end: int) -> None:
        """Move the buckets so that the latest is the one before `end`."""
        later = end - self._end
        if later <= 0:
            return
        kept = self._counts[later:] if self._end and later < self._counts.size else self._counts[:0]
        moved = np.zeros_like(self._counts)
        if kept.size:
            moved[: kept.size] = kept
        self._counts, self._end = moved, end
