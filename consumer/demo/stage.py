"""The demo as its public sees it: snapshots while it plays, evidence at the end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from consumer.clock import SECOND, Clock, Millis
from consumer.demo.inbox import Inbox
from consumer.demo.tally import REACHED
from consumer.demo.traffic import Traffic
from consumer.demo.verdict import Evidence
from consumer.demo.view import Places, Snapshot
from consumer.demo.watch import Watch

_SHOWN = 5
_STEP_SECONDS = 0.1
_MOVING = frozenset({"accepted", "sent", "unknown"})
_QUIET: Millis = SECOND // 2


@dataclass(frozen=True, slots=True)
class Opened:
    """The moment at which the demo began, on both clocks."""

    steady: Millis
    wall: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What can be watched. `web` is empty until the service says where it is."""

    clock: Clock
    opened: Opened
    people: int
    traffic: Traffic
    watch: Watch
    inbox: Inbox
    sandbox_url: str
    log_file: str
    web: list[str] = field(default_factory=list)

    def elapsed(self) -> Millis:
        return self.clock.monotonic() - self.opened.steady

    def snapshot(self) -> Snapshot:
        """Raises SandboxSilent."""
        taken = self.inbox.newest(_SHOWN)
        return Snapshot(
            elapsed=self.elapsed(),
            people=self.people,
            activities=self.traffic.activities,
            counts=self.watch.counts(),
            accepted=taken.accepted,
            messages=taken.messages,
            places=Places(
                web="".join(self.web[-1:]), sandbox=f"{self.sandbox_url}/_sandbox/messages", log=self.log_file
            ),
        )

    def evidence(self) -> Evidence:
        """Raises SandboxSilent."""
        taken = self.inbox.all()
        return Evidence(counts=self.watch.counts(), lives=self.watch.lives(), accepted=taken.ids, taken=taken.accepted)

    def first_message(self) -> Millis | None:
        """How long after the beginning 1MSG took the first message, as far as it remembers. Raises SandboxSilent."""
        taken = self.inbox.all()
        return None if taken.first_at is None else taken.first_at - self.opened.wall

    def settle(self, longest: Millis) -> None:
        """Waits until all messages have got somewhere that the topic tells of; no longer than `longest`."""
        self._wait(longest, self._settled)

    def drain(self, longest: Millis) -> None:
        """Waits until the topic has nothing new for a while; no longer than `longest`."""
        heard, since = -1, self.elapsed()

        def silent() -> bool:
            nonlocal heard, since
            if (records := self.watch.counts().records) != heard:
                heard, since = records, self.elapsed()
            return self.elapsed() - since >= _QUIET

        self._wait(longest, silent)

    def _settled(self) -> bool:
        seen = self.evidence()
        arrived = any(life.seen.intersection(REACHED) for life in seen.lives)
        return arrived and not seen.unnamed and not any(life.status in _MOVING for life in seen.lives)

    def _wait(self, longest: Millis, enough: Callable[[], bool]) -> None:
        last = self.elapsed() + longest
        while self.elapsed() < last and not enough():
            time.sleep(_STEP_SECONDS)
