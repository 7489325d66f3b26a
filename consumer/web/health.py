"""Who is alive and who makes progress, as told by the parts themselves.

A part that has work to do in a loop tells after every round how it went. One that falls silent hangs; one that
fails says so and lives on. Readiness asks for progress, liveness only for a sign of life.
"""

from dataclasses import dataclass, replace

from consumer.clock import MINUTE, SECOND, Millis, Now

STARTING = "has not begun yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """What a part said last, and when (milliseconds of the clock that `Health` was given)."""

    ok: bool
    detail: str | None
    heard_at: Millis


class PartHealth:
    """One part's own page of the register. Any thread may write on it; a write is a single assignment."""

    def __init__(self, now: Now, stale_after: Millis, dead_after: Millis) -> None:
        self._now = now
        self._stale_after = stale_after
        self._dead_after = dead_after
        self._state = PartState(ok=False, detail=STARTING, heard_at=now())

    def ok(self, detail: str | None = None) -> None:
        """A round was done. `detail` is for people: a stopped channel or an engaged brake belongs there."""
        self._state = PartState(ok=True, detail=detail, heard_at=self._now())

    def failing(self, reason: str) -> None:
        """A round could not be done; the part will try again."""
        self._state = PartState(ok=False, detail=reason, heard_at=self._now())

    def state(self, now: Millis) -> PartState:
        """What the part said last; not ok when that is too long ago."""
        said = self._state
        silence = now - said.heard_at
        if silence <= self._stale_after:
            return said
        return replace(said, ok=False, detail=f"nothing heard for {silence // SECOND} s")

    def alive(self, now: Millis) -> bool:
        return now - self._state.heard_at <= self._dead_after


class Health:
    """The register of all parts. `now` should be a steady clock: nobody falls silent because a wall clock jumped."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._parts: dict[str, PartHealth] = {}

    def register(self, name: str, *, stale_after: Millis = 30 * SECOND, dead_after: Millis = 10 * MINUTE) -> PartHealth:
        """Enters a part that promises a word every `stale_after` at the latest; past `dead_after` it is dead."""
        part = PartHealth(self._now, stale_after, dead_after)
        # A new dictionary, because /readyz may be walking over the old one.
        self._parts = {**self._parts, name: part}
        return part

    def states(self) -> dict[str, PartState]:
        """Every part as it is now, by name."""
        now = self._now()
        return {name: part.state(now) for name, part in self._parts.items()}

    def dead(self) -> list[str]:
        """The parts without any sign of life."""
        now = self._now()
        return [name for name, part in self._parts.items() if not part.alive(now)]
