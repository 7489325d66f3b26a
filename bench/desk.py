"""What the benches of deliver share: its parts, joined as in wiring/deliver.py, and how long each of them takes."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from consumer.deliver.outbox.status_outbox import StatusOutbox
from consumer.deliver.sending.claim_base import Claim, ClaimPreview
from prometheus_client import CollectorRegistry

from consumer.clock import DAY, HOUR, MINUTE, SECOND, Millis, SystemClock
from consumer.deliver.channel.circuit_breaker import WhatsAppChannel
from consumer.deliver.channel.rate_limit import RateLimit
from consumer.deliver.intake import WHATSAPP, Intake
from consumer.deliver.policy.checks import CheckRules
from consumer.deliver.policy.message_plan import MessagePlan
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.sending.claims import Claims
from consumer.deliver.sending.facts import SenderConfig
from consumer.deliver.sending.results import AttemptResult, ResultRecorder
from consumer.deliver.sending.sender import Sender
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.message import TemplateMessage
from consumer.records import Contact, DeliveryStatus, Received, Reminder, ReminderKind

RULES = CheckRules(require_opt_in=True, expire_after=72 * HOUR, max_staleness=5 * MINUTE)
IN_FLIGHT = 200
"""As in wiring/deliver.py."""
_BATCH = 500
"""Records that a feed hands over at a time."""


class Stopwatch:
    """Seconds of the wall, and of the CPU of the thread that works, by stage."""

    def __init__(self) -> None:
        self.now: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.now[name] += time.perf_counter() - wall
            self.cpu[name] += time.thread_time() - cpu
            self.calls[name] += 1


class ClaimBase:
    """Deliver on one ledger: from what detect asks to what others hear of it. `rate` is in sends a second."""

    def __init__(
        self, ledger: Ledger, channel: WhatsAppChannel, told: dict[str, str], rate: float | None = None
    ) -> None:
        self.ledger = ledger
        self.watch = Stopwatch()
        metrics, clock, barrier = DeliverMetrics(CollectorRegistry()), SystemClock(), ContactsBarrier("contacts", {})
        self._now = clock.now
        self.intake = Intake(ledger, rules=RULES, barrier=barrier, metrics=metrics, now=clock.now)
        plan = MessagePlan(
            template=told["template"],
            namespace=told["namespace"],
            language=told["language"],
            action="account setup",
            shortest_rung=DAY,
        )
        self.claims = _Claims(
            ledger,
            medium=WHATSAPP,
            known=SenderConfig(rules=RULES, plans={"account-setup": plan}, barrier=barrier, caps={DAY: 1}),
            rate_limit=RateLimit("whatsapp", rate),
            worker="bench",
            lease=15 * SECOND,
            ttl=None,
            clock=clock,
            metrics=metrics,
        )
        self.answers = answers = _Answers(ledger, rules=RULES, max_attempts=3, metrics=metrics, now=clock.now)
        self.claims.watch = answers.watch = self.watch
        self.sender = Sender(
            self.claims,
            answers,
            channel=channel,
            clock=clock,
            metrics=metrics,
            in_flight=IN_FLIGHT,
        )
        self.outbox = StatusOutbox(ledger, metrics=metrics)
        self.metrics = metrics

    def fill(self, people: range) -> None:
        """These people are known, and have just lapsed."""
        now = self._now()
        for first in range(people.start, people.stop, _BATCH):
            some = range(first, min(first + _BATCH, people.stop))
            with self.watch.stage("contacts"):
                self.intake.contacts([_contact(number, now) for number in some])
            with self.watch.stage("intake"):
                self.intake.reminders([_due(number, now) for number in some])

    def publish(self) -> int:
        """Everything that others have not heard of yet, to nobody. Returns how many records there were."""
        total = 0
        with self.watch.stage("outbox"):
            while done := self.outbox.step(_nowhere):
                total += done
        return total


class _Claims(Claims):
    watch: Stopwatch

    def preview(self) -> ClaimPreview:
        with self.watch.stage("preview"):
            return super().preview()

    def take(self, most: int) -> Claim[TemplateMessage]:
        with self.watch.stage("claim"):
            return super().take(most)


class _Answers(ResultRecorder):
    watch: Stopwatch

    def record(self, answers: Sequence[AttemptResult]) -> None:
        with self.watch.stage("record"):
            super().record(answers)


def cpu_of(process: int) -> float:
    """Seconds of CPU that a process of this machine has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def phone(number: int) -> str:
    """A Spanish one for everybody, since marketing reaches no US number; none with a fate of its own in the sandbox."""
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


def _nowhere(statuses: Sequence[DeliveryStatus]) -> None:
    return
