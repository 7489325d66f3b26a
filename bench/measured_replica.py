"""What the benches of deliver share: a replica whose stages are timed, and people who have lapsed."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from consumer.clock import DAY, Millis, SystemClock
from consumer.deliver.sending.claims import Claim, ClaimPreview, Claims
from consumer.deliver.sending.results import AttemptResult
from consumer.deliver.sending.sender import Sender
from consumer.onemsg.message import TemplateMessage
from consumer.records import Contact, Received, Reminder, ReminderKind
from consumer.testing import PLAN, Replica
from consumer.wiring.deliver.parts import OneMsg

IN_FLIGHT = 200
"""As in wiring/deliver/role.py."""
_BATCH = 500
"""Records that a consumer hands over at a time."""


class Stopwatch:
    """Seconds of wall time, and of CPU time of the thread that works, by stage."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.wall[name] += time.perf_counter() - wall
            self.cpu[name] += time.thread_time() - cpu
            self.calls[name] += 1


class MeasuredReplica(Replica):
    """A replica of deliver by the real clock; `rate` is in sends a second, `channel` is what a sandbox prints."""

    def __init__(
        self, url: str, client: OneMsg, channel: dict[str, str], *, rate: float | None = None, **more: Any
    ) -> None:
        template, namespace, language = channel["template"], channel["namespace"], channel["language"]
        plan = replace(PLAN, template=template, namespace=namespace, language=language)
        super().__init__(
            url,
            client=client,
            clock=SystemClock(),
            rate=rate,
            in_flight=IN_FLIGHT,
            plans={"account-setup": plan},
            caps={DAY: 1},
            **more,
        )
        self.watch = Stopwatch()
        self.sender = Sender(
            _TimedClaims(self.parts.claims, self.watch),
            self.record,
            client=client,
            clock=self.clock,
            metrics=self.metrics,
            in_flight=IN_FLIGHT,
        )

    def fill(self, people: range) -> None:
        """These people are known, and have just lapsed."""
        now, intake = self.clock.now(), self.parts.intake
        for first in range(people.start, people.stop, _BATCH):
            some = range(first, min(first + _BATCH, people.stop))
            with self.watch.stage("contacts"):
                intake.take_contacts([_contact(number, now) for number in some])
            with self.watch.stage("intake"):
                intake.take_reminders([_due(number, now) for number in some])

    def record(self, results: Sequence[AttemptResult]) -> None:
        with self.watch.stage("record"):
            self.parts.recorder.record(results)

    def publish(self) -> int:
        """Publish everything into memory, and drop it there. Returns how many records there were."""
        with self.watch.stage("outbox"):
            published = super().publish()
        self.topics.statuses.clear()
        return published


class _TimedClaims:
    def __init__(self, claims: Claims[TemplateMessage], watch: Stopwatch) -> None:
        self._claims = claims
        self._watch = watch
        self.postpone_probe = claims.postpone_probe

    def preview(self) -> ClaimPreview:
        with self._watch.stage("preview"):
            return self._claims.preview()

    def take(self, limit: int) -> Claim[TemplateMessage]:
        with self._watch.stage("claim"):
            return self._claims.take(limit)


def cpu_of(process: int) -> float:
    """Return the seconds of CPU, user and system, that all threads of a process of this machine have used."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def phone(number: int) -> str:
    """Return a Spanish phone, since marketing reaches no US number; none that the sandbox treats in a special way."""
    return f"346{number // 9_000 * 10_000 + 1_000 + number % 9_000:08}"


def _contact(number: int, now: Millis) -> Received[Contact]:
    user = f"user-{number}"
    contact = Contact(user_id=user, name="Maria", phone=phone(number), opt_in=True, updated_at=now)
    return Received(topic="contacts", partition=0, offset=number, key=user.encode(), value=contact)


def _due(number: int, now: Millis) -> Received[Reminder]:
    user = f"user-{number}"
    reminder = Reminder(
        reminder_id=f"{number:032x}",
        kind=ReminderKind.DUE,
        user_id=user,
        process="account-setup",
        step=0,
        action=None,
        last_seen=now - DAY,
        lapsed_at=now,
        occurred_at=now,
        detected_at=now,
    )
    return Received(topic="reminders", partition=0, offset=number, key=user.encode(), value=reminder)
