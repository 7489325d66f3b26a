"""The clock of a partition: how far its silence can be believed.

One rule (design §4). An end-offset request that succeeded at wall time W is reached once everything before that
end has been read; the clock is the W of the latest one reached. Nothing else moves it, and it never goes back. So a
quiet partition's clock runs, a lagging one's is as late as its lag, and a cut-off one's stands still.
"""

from collections import deque
from dataclasses import dataclass, field

from consumer.clock import Millis

_MOST_PENDING = 256


@dataclass(slots=True)
class Watermark:
    """`value` is None until the first end has been reached."""

    value: Millis | None = None
    _pending: deque[tuple[Millis, int]] = field(default_factory=deque)

    def add_end_offset(self, wall: Millis, end: int) -> None:
        """An end offset, asked for at `wall` (taken before the request left)."""
        if self._pending and end == self._pending[-1][1]:
            self._pending[-1] = (max(wall, self._pending[-1][0]), end)
            return
        self._pending.append((wall, end))
        if len(self._pending) > _MOST_PENDING:
            # Far behind: every second waypoint will do, and the clock is never ahead for it.
            self._pending = deque(entry for i, entry in enumerate(self._pending) if i % 2)

    def advance_to(self, position: int) -> None:
        """Everything before `position` has been read."""
        while self._pending and self._pending[0][1] <= position:
            wall, _ = self._pending.popleft()
            self.value = wall if self.value is None else max(self.value, wall)

    def delay(self, wall: Millis) -> Millis | None:
        """How far the clock is behind the wall."""
        return None if self.value is None else wall - self.value


@dataclass(slots=True)
class WallClockGuard:
    """Holds a wall clock against one that nobody sets; while they disagree the partition clocks must not move.

    Small steps (an NTP daemon slewing) are followed; a jump is not, until the wall comes back or the process is
    started anew.
    """

    tolerance: Millis = 2_000
    _apart: Millis | None = None

    def agrees(self, wall: Millis, steady: Millis) -> bool:
        apart = wall - steady
        if self._apart is None or abs(apart - self._apart) <= self.tolerance:
            self._apart = apart
            return True
        return False
