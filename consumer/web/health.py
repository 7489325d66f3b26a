"""Which parts of the process are alive and make progress, as reported by the parts themselves.

A part that works in a loop reports after every round how it went. A part that stops reporting hangs; one that fails
reports that and goes on. Readiness requires progress, liveness only a recent report.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from consumer.clock import MINUTE, SECOND, Millis, Now

STARTING = "has not started yet"
_LONG_WAIT_MS: Millis = 5 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """A part's last report, and its time (milliseconds of the clock that `Health` got)."""

    ok: bool
    detail: str | None
    reported_at: Millis
    ready: bool
    """Whether it makes progress: it may do so and not be ok, when what it needs elsewhere is not in order."""


class PartHealth:
    """The health of one part. Any thread may report to it: a report is a single assignment."""

    def __init__(self, now: Now, stale_after_ms: Millis, dead_after_ms: Millis) -> None:
        self._now = now
        self._stale_after_ms = stale_after_ms
        self._dead_after_ms = dead_after_ms
        self._state = PartState(ok=False, detail=STARTING, reported_at=now(), ready=False)
        self._waits_for: str | None = None

    def ok(self, detail: str | None = None) -> None:
        """Report a successful round. `detail` is for people, such as an engaged brake."""
        self._state = PartState(ok=True, detail=detail, reported_at=self._now(), ready=True)

    def impaired(self, problem: str) -> None:
        """Report a successful round of a part that is not ok: a wrong token, a stopped channel. The process is ready
        all the same, since another one could do no better."""
        self._state = PartState(ok=False, detail=problem, reported_at=self._now(), ready=True)

    def failing(self, reason: str) -> None:
        """Report a failed round; the part will try again."""
        self._state = PartState(ok=False, detail=reason, reported_at=self._now(), ready=False)

    @contextmanager
    def waiting(self, whom: str) -> Iterator[None]:
        """Name whom the part waits for, should it report nothing for long meanwhile: a call may not return in time."""
        self._waits_for = whom
        try:
            yield
        finally:
            self._waits_for = None

    def state(self, now: Millis) -> PartState:
        """Return the last report; not ok if it is too old."""
        waits_for, last = self._waits_for, self._state
        silence = now - last.reported_at
        if waits_for and silence > _LONG_WAIT_MS:
            return replace(last, ok=False, ready=False, detail=f"waiting for {waits_for}")
        if silence <= self._stale_after_ms:
            return last
        return replace(last, ok=False, ready=False, detail=f"no report for {silence // SECOND} s")

    def alive(self, now: Millis) -> bool:
        return now - self._state.reported_at <= self._dead_after_ms


class Health:
    """The health of all parts. `now` should be a monotonic clock, so that a jump of the wall clock changes nothing."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._parts: dict[str, PartHealth] = {}

    def register(
        self, name: str, *, stale_after_ms: Millis = 30 * SECOND, dead_after_ms: Millis = 10 * MINUTE
    ) -> PartHealth:
        """Add a part. Without a report for `stale_after_ms` it is not ready, after `dead_after_ms` counts as dead."""
        part = PartHealth(self._now, stale_after_ms, dead_after_ms)
        # A new dictionary, because another thread may be iterating over the old one.
        self._parts = {**self._parts, name: part}
        return part

    def states(self) -> dict[str, PartState]:
        """Return the state of every part, by name."""
        now = self._now()
        return {name: part.state(now) for name, part in self._parts.items()}

    def dead(self) -> list[str]:
        """Return the names of the parts that count as dead."""
        now = self._now()
        return [name for name, part in self._parts.items() if not part.alive(now)]
