"""The watermark of a partition: the wall time up to which everything written has been read.

One rule (ARCHITECTURE.md#the-watermark): an end-offset request that succeeded at wall time W is reached once everything
before that end has been read, and the watermark is the W of the latest request reached. Nothing else moves it, and it
never goes back. So a quiet partition's watermark advances, a lagging one's is as late as its lag, and that of one that
is cut off stands still.
"""

from collections import deque
from dataclasses import dataclass, field

from consumer.clock import MINUTE, Millis

_MOST_PENDING = 256
_CLOCK_TOLERANCE_MS: Millis = 2_000
_AGREE_AGAIN_FOR: Millis = MINUTE


@dataclass(slots=True)
class Watermark:
    """`value` is None until the first end has been reached."""

    value: Millis | None = None
    _pending: deque[tuple[Millis, int]] = field(default_factory=deque)

    def add_end_offset(self, wall: Millis, end: int) -> None:
        """Note an end offset that was asked for at `wall` (taken before the request left)."""
        if self._pending and end == self._pending[-1][1]:
            self._pending[-1] = (max(wall, self._pending[-1][0]), end)
            return
        self._pending.append((wall, end))
        if len(self._pending) > _MOST_PENDING:
            # Far behind: keep every second entry. The watermark only moves in larger steps.
            self._pending = deque(entry for i, entry in enumerate(self._pending) if i % 2)

    def advance_to(self, position: int) -> None:
        """Note that everything before `position` has been read."""
        while self._pending and self._pending[0][1] <= position:
            wall, _ = self._pending.popleft()
            self.value = wall if self.value is None else max(self.value, wall)

    def delay(self, wall: Millis) -> Millis | None:
        """Return how far the watermark is behind `wall`; None before the first end was reached."""
        return None if self.value is None else wall - self.value


@dataclass(slots=True)
class WallClockGuard:
    """Compares the wall clock with the monotonic clock; while they disagree the watermarks must not move.

    Small steps (an NTP daemon slewing) are accepted. After a jump they disagree until the wall clock comes back, or the
    two have run alike for a minute: then the clock was set right.
    """

    _apart: Millis | None = None
    _jumped_to: Millis = 0
    _jumped_at: Millis | None = None

    def agrees(self, wall: Millis, monotonic: Millis) -> bool:
        """Return whether the two clocks run alike."""
        apart = wall - monotonic
        if self._apart is None or abs(apart - self._apart) <= _CLOCK_TOLERANCE_MS:
            self._apart, self._jumped_at = apart, None
            return True
        if self._jumped_at is None or abs(apart - self._jumped_to) > _CLOCK_TOLERANCE_MS:
            self._jumped_at = monotonic
        self._jumped_to = apart
        if monotonic - self._jumped_at < _AGREE_AGAIN_FOR:
            return False
        self._apart, self._jumped_at = apart, None
        return True
