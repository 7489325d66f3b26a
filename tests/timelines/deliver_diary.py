"""A diary of deliver: what was asked, what was known, what went out, and what everybody else heard of it.

The ledger is a real SQLite file, the channel a small one in memory, and a clock tells the story: `at` moves it, and
everything that follows happens at that moment ("Mon 09:00" as in `detect_diary`).
"""

import asyncio
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import select

from consumer.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, Millis
from consumer.config.policy import PolicySettings
from consumer.deliver.channel.circuit_breaker import WhatsAppChannel
from consumer.deliver.channel.rate_limit import RateLimit
from consumer.deliver.channel.template_status import required_templates
from consumer.deliver.channel.template_watcher import TemplateWatcher
from consumer.deliver.intake import Intake
from consumer.deliver.outbox.status_outbox import StatusOutbox
from consumer.deliver.policy.checks import CheckRules
from consumer.deliver.policy.message_plan import MessagePlan
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.recipients import opt_outs
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.sending.claims import Claims
from consumer.deliver.sending.facts import SenderConfig
from consumer.deliver.sending.results import ResultRecorder
from consumer.deliver.sending.sender import Sender
from consumer.deliver.tracking.poller import Poller
from consumer.deliver.tracking.webhook_inbox import WebhookInbox
from consumer.ledger.schema.rows import REMINDER, ReminderRow
from consumer.ledger.schema.tables import webhook_bodies
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.api_errors import OneMsgError
from consumer.onemsg.client import ChannelStatus
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, Outcome
from consumer.onemsg.templates.listing import Template, TemplateListing
from consumer.onemsg.webhook.notifications import Echo, StatusReport
from consumer.records import Contact, DeliveryStatus, OptOut, Received, Reminder, ReminderKind

from .detect_diary import moment

RULES = CheckRules(require_opt_in=True, expire_after=72 * HOUR, max_staleness=5 * MINUTE)
PLAN = MessagePlan(
    template="inactivity_reminder",
    namespace="aaaa_bbbb",
    language="en",
    action="account setup",
    shortest_rung=24 * HOUR,
)
PLANS = {
    "account-setup": PLAN,
    "checkout": replace(PLAN, template="order_waiting", action="your order", shortest_rung=2 * HOUR),
}
TEMPLATE = Template(
    name="inactivity_reminder",
    language="en",
    namespace="aaaa_bbbb",
    status="APPROVED",
    category="UTILITY",
    variables=("1", "2"),
    body="Hello, {{1}}! We noticed you have not yet completed {{2}}.",
)
RUNGS = {"account-setup": (24 * HOUR, 72 * HOUR), "checkout": (2 * HOUR,)}
LEASE = 30 * SECOND


class Killed(BaseException):
    """The process ends here, without a word."""


@dataclass
class FakeChannel:
    """A 1MSG in memory: it takes what it is sent, unless the story says what it answers to the next ones."""

    clock: ManualClock
    answers: list[Outcome | BaseException | int] = field(default_factory=list)
    """What comes of the next sends: an outcome, something raised, or so many milliseconds before it is accepted."""
    sent: list[TemplateMessage] = field(default_factory=list)
    hooks: dict[str, tuple[StatusReport, ...]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    listed: list[Echo] = field(default_factory=list)
    """What the message list holds, of every chat."""
    looked: list[Millis] = field(default_factory=list)
    """When somebody looked into the message list."""
    state: str = "connected"
    trouble: OneMsgError | None = None
    """What comes of being asked, while it is set."""
    shown: TemplateListing = field(default_factory=lambda: TemplateListing((), complete=True))
    """What it shows of its templates."""

    async def send_template(self, message: TemplateMessage) -> Outcome:
        self.sent.append(message)
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, BaseException):
            raise answer
        if not isinstance(answer, int):
            return answer
        self.clock.advance(answer)
        return Accepted(message_id=f"wamid.{len(self.sent)}")

    async def hook_info(self, message_id: str) -> tuple[StatusReport, ...]:
        self.asked.append(message_id)
        if self.trouble is not None:
            raise self.trouble
        return self.hooks.get(message_id, ())

    async def status(self) -> ChannelStatus:
        self.asked.append("status")
        if self.trouble is not None:
            raise self.trouble
        return ChannelStatus(self.state)

    async def messages(self, recipient: str, since: Millis) -> list[Echo]:
        self.looked.append(self.clock.now())
        if self.trouble is not None:
            raise self.trouble
        chat = (echo for echo in self.listed if echo.recipient == recipient)
        return [echo for echo in chat if echo.at is not None and echo.at >= since]

    async def templates(self) -> TemplateListing:
        if self.trouble is not None:
            raise self.trouble
        return self.shown


class Diary:
    """One replica of deliver."""

    def __init__(
        self,
        folder: Path,
        *,
        url: str | None = None,
        rules: CheckRules = RULES,
        contacts_end: int = 0,
        rate: float | None = None,
        **known: Any,
    ) -> None:
        self.clock = ManualClock(moment("Mon 09:00"))
        self.metrics = DeliverMetrics(CollectorRegistry())
        self.channel = FakeChannel(self.clock)
        self.topic: list[DeliveryStatus] = []
        self.stops: list[OptOut] = []
        """What reached the opt-outs topic."""
        self._heard = 0
        self._url = url or f"sqlite:///{folder / 'lapse.db'}"
        self.rules = rules
        self.rate = rate
        self._known = known
        self._contacts_end = contacts_end
        self._offsets = {"reminders": 0, "contacts": 0}
        self._line: WhatsAppChannel = self.channel
        self._open()

    def _open(self) -> None:
        self.ledger = Ledger(self._url)
        barrier = ContactsBarrier("contacts", {0: self._contacts_end})
        settings: dict[str, Any] = {"plans": PLANS, **self._known}
        known = SenderConfig(rules=self.rules, barrier=barrier, **settings)
        shared: dict[str, Any] = {"metrics": self.metrics}
        wanted = required_templates(known.plans, None)
        self.watch = TemplateWatcher(
            self.channel, wanted, known.templates, ledger=self.ledger, medium="whatsapp", **shared
        )
        wall, clock = self.clock.now, self.clock
        self.intake = Intake(self.ledger, rules=self.rules, barrier=barrier, now=wall, **shared)
        limits: dict[str, Any] = {"rate_limit": RateLimit("whatsapp", self.rate), "lease": LEASE, "ttl": None}
        self.claims = Claims(self.ledger, medium="whatsapp", known=known, worker="one", clock=clock, **limits, **shared)
        self.answers = ResultRecorder(self.ledger, rules=self.rules, max_attempts=3, now=wall, **shared)
        self.sender = Sender(self.claims, self.answers, channel=self._line, clock=clock, **shared)
        shared["limits"] = self.limits = RetryPolicy(rules=self.rules, max_attempts=3)
        spans: dict[str, Any] = {"poll_after": 2 * MINUTE, "give_up_after": DAY, **shared}
        self.tracker = Poller(self.ledger, medium="whatsapp", channel=self._line, clock=clock, **spans)
        self.inbox = WebhookInbox(self.ledger, now=wall, opt_out_words=PolicySettings().stop_words, **shared)
        self.outbox = StatusOutbox(self.ledger, metrics=self.metrics)

    def at(self, when: str) -> "Diary":
        """Time passes until then."""
        self.clock.advance(moment(when) - self.clock.now())
        return self

    def after(self, span: int) -> "Diary":
        self.clock.advance(span)
        return self

    # What detect says

    def due(
        self, user: str, process: str = "account-setup", step: int = 0, *, lapsed: str = "", partition: int = 0
    ) -> "Diary":
        """A lapse is noticed now; it happened now, unless told."""
        return self._ask(ReminderKind.DUE, user, process, step, lapsed, partition)

    def returned(self, user: str, process: str = "account-setup", step: int = 0, *, lapsed: str = "") -> "Diary":
        return self._ask(ReminderKind.RETURNED, user, process, step, lapsed)

    def completed(self, user: str, process: str = "account-setup", step: int = 0, *, lapsed: str = "") -> "Diary":
        return self._ask(ReminderKind.COMPLETED, user, process, step, lapsed)

    def detect_is_at(self, when: str = "", partition: int = 0) -> "Diary":
        """The partition's clock: now, unless told."""
        clock = moment(when) if when else self.clock.now()
        return self._reminder(
            Reminder(kind=ReminderKind.WATERMARK, occurred_at=clock, detected_at=self.clock.now()), partition
        )

    def ask_of(self, kind: str, user: str, process: str = "account-setup", step: int = 0, lapsed: str = "") -> Reminder:
        """What detect would write now."""
        now = self.clock.now()
        lapsed_at = moment(lapsed) if lapsed else now
        last_seen = lapsed_at - RUNGS[process][step]
        return Reminder(
            reminder_id=f"{user}/{process}/{last_seen}/{step}",
            kind=ReminderKind(kind),
            user_id=user,
            process=process,
            step=step,
            last_seen=last_seen,
            lapsed_at=lapsed_at,
            occurred_at=lapsed_at if kind == ReminderKind.DUE else now,
            detected_at=now,
        )

    def asks(self, reminder: Reminder) -> "Diary":
        """Detect asks for exactly this."""
        return self._reminder(reminder, 0)

    def _ask(self, kind: ReminderKind, user: str, process: str, step: int, lapsed: str, partition: int = 0) -> "Diary":
        return self._reminder(self.ask_of(kind, user, process, step, lapsed), partition)

    def _reminder(self, reminder: Reminder, partition: int) -> "Diary":
        self.intake.reminders([self._received("reminders", reminder, partition)])
        return self

    # What the CRM says

    def knows(
        self, user: str, name: str | None = "Maria", phone: str | None = "+34 612 345 678", **more: Any
    ) -> "Diary":
        told = {"opt_in": True, "updated_at": self.clock.now(), **more}
        contact = Contact(user_id=user, name=name, phone=phone, **told)
        self.intake.contacts([self._received("contacts", contact)])
        return self

    def forgets(self, user: str) -> "Diary":
        self.intake.contacts([self._received("contacts", None, key=user.encode())])
        return self

    def _received(self, topic: str, value: Any, partition: int = 0, key: bytes | None = None) -> Received[Any]:
        offset = self._offsets[topic]
        self._offsets[topic] += 1
        return Received(topic=topic, partition=partition, offset=offset, key=key, value=value)

    # What 1MSG tells

    def reports(self, message_id: str, *statuses: str, **more: Any) -> "Diary":
        """One webhook body in the form seen in production (contract §8.1)."""
        acks = [{"id": message_id, "status": status, **more} for status in statuses]
        return self.posts(json.dumps({"instanceId": "CH1", "ack": acks}).encode())

    def hears(self, text: str, phone: str = "34612345678", *, message: str = "wamid.in.1") -> "Diary":
        """Somebody writes to us now."""
        wrote = {"id": message, "type": "chat", "body": text, "fromMe": False, "author": f"{phone}@c.us"}
        return self.posts(json.dumps({"messages": [{**wrote, "time": self.clock.now() // SECOND}]}).encode())

    def echoes(self, message_id: str, phone: str = "34612345678", at: Millis | None = None) -> "Diary":
        """The channel shows us a message of ours (contract §8.2)."""
        told = {"id": message_id, "fromMe": True, "type": "chat", "chatId": f"{phone}@c.us", "senderName": "Us"}
        told["time"] = (self.clock.now() if at is None else at) // SECOND
        return self.posts(json.dumps({"instanceId": "CH1", "messages": [told]}).encode())

    def lists(self, *templates: Template, whole: bool = True) -> "Diary":
        """1MSG is asked for its templates, and shows these."""
        self.channel.shown = TemplateListing(templates, whole)
        asyncio.run(self.watch.check())
        return self

    def posts(self, *bodies: bytes) -> "Diary":
        async def submit() -> None:
            await asyncio.gather(*(self.inbox.submit(body) for body in bodies))
            await self.inbox.idle()

        asyncio.run(submit())
        return self

    # What Lapse does

    def works(self) -> "Diary":
        """Everything that can be done now is done, and told."""
        return self.works_in_silence().publishes()

    def works_in_silence(self) -> "Diary":
        asyncio.run(self._work())
        return self

    async def _work(self) -> None:
        while await self.sender.step() + await self.tracker.step():
            pass

    def publishes(self) -> "Diary":
        while self.outbox.step(self.topic.extend):
            pass
        while opt_outs.publish(self.ledger, self.stops.extend):
            pass
        return self

    def crashes_and_restarts(self) -> "Diary":
        """Everything in memory is lost."""
        self.ledger.close()
        self._open()
        return self

    def talks_to(self, channel: WhatsAppChannel) -> "Diary":
        """It begins anew, with another channel in place of the one in memory."""
        self._line = channel
        return self.crashes_and_restarts()

    def close(self) -> None:
        self.ledger.close()

    # What is seen

    def says(self, *expected: str) -> "Diary":
        """Exactly this reached `delivery-status` since the last time, as "maria deferred no_contact"."""
        told = [" ".join(filter(None, (s.user_id, s.status, s.reason))) for s in self.topic[self._heard :]]
        assert told == list(expected), told
        self._heard = len(self.topic)
        return self

    def says_nothing(self) -> "Diary":
        return self.says()

    def went_out(self, *names: str) -> "Diary":
        """Exactly these have been written to since the start, in order, by the name they were greeted with."""
        assert [message.params[0] for message in self.channel.sent] == list(names)
        return self

    def rows(self) -> list[ReminderRow]:
        """Every reminder in the ledger."""
        with self.ledger.reading() as connection:
            return [ReminderRow(*row) for row in connection.execute(select(*REMINDER))]

    def kept_bodies(self) -> list[bytes]:
        with self.ledger.reading() as connection:
            return list(connection.scalars(select(webhook_bodies.c.body).order_by(webhook_bodies.c.id)))
