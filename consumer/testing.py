"""Deliver for tests and benches: its real parts on a real ledger, with small working stand-ins for the outside.

`Replica` joins the parts as the service does. Whatever a fake is given it keeps, and a test reads it there; what a fake
answers next is set on it. Nothing here is used by the service.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry

from consumer.clock import HOUR, MINUTE, SECOND, Clock, ManualClock, Millis
from consumer.config.sections.fallback import EmailFallbackSettings, WebhookFallbackSettings
from consumer.deliver.leader_lease import LeaderLease
from consumer.deliver.outbox import (
    OPT_OUTS,
    STATUSES,
    OptOutLifted,
    OutboxPublisher,
    OutboxRecord,
    RecordsRefused,
    StatusRecord,
)
from consumer.deliver.policy.checks import CheckRules
from consumer.deliver.policy.message_plan import MessagePlan
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.sending.facts import SenderConfig
from consumer.ledger.store import Ledger
from consumer.media.mail_message import Mail, MailWriter
from consumer.media.signed_webhook import WebhookRequest, WebhookRequestWriter
from consumer.metrics import DeliverMetrics
from consumer.onemsg.api_errors import OneMsgError
from consumer.onemsg.client import ChannelStatus
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, Outcome
from consumer.onemsg.templates.listing import TemplateListing
from consumer.onemsg.webhook.notifications import Echo, StatusReport
from consumer.records import EMAIL, WEBHOOK, DeliveryStatus, OptOut
from consumer.wiring.deliver.parts import DeliverParts, Fallback, OneMsg

M = TypeVar("M")

RULES = CheckRules(require_opt_in=True, expire_after=72 * HOUR, max_staleness=5 * MINUTE)
PLAN = MessagePlan(
    template="inactivity_reminder",
    namespace="aaaa_bbbb",
    language="en",
    action="account setup",
    shortest_rung=24 * HOUR,
)
LEASE: Millis = 30 * SECOND
MAIL = EmailFallbackSettings.model_validate(
    {
        "host": "mail.example",
        "from": "Shop <no-reply@shop.example>",
        "subject": "{name}, {action} waits for you",
        "text": "Hello {name}, you have not yet completed {action}: {link}",
        "link": "https://shop.example/{process}?user={user_id}",
    }
)
HOOK = WebhookFallbackSettings.model_validate(
    {"url": "https://shop.example/hook", "secret": {"env": "S"}, "text": "{name}!"}
)


class Killed(BaseException):
    """The process ends here, like after SIGKILL."""


@dataclass
class FakeMedium(Generic[M]):
    """Accepts every message, except those for which `answers` holds something else."""

    clock: Clock
    answers: list[Outcome | BaseException | int] = field(default_factory=list)
    """What comes of the next sends: an outcome, an exception, or how many milliseconds an acceptance takes."""
    sent: list[M] = field(default_factory=list)
    id_prefix: str = "out"
    state: str = "connected"

    async def send_template(self, message: M) -> Outcome:
        self.sent.append(message)
        number, answer = len(self.sent), self.answers.pop(0) if self.answers else 0
        if isinstance(answer, BaseException):
            raise answer
        if not isinstance(answer, int):
            return answer
        if answer:
            assert isinstance(self.clock, ManualClock)
            self.clock.advance(answer)
        return Accepted(message_id=f"{self.id_prefix}.{number}")

    async def status(self) -> ChannelStatus:
        return ChannelStatus(self.state)


@dataclass
class FakeOneMsg(FakeMedium[TemplateMessage]):
    """1MSG in memory."""

    id_prefix: str = "wamid"
    hooks: dict[str, tuple[StatusReport, ...]] = field(default_factory=dict)
    """What hookInfo returns, by message id."""
    asked: list[str] = field(default_factory=list)
    """The message ids that hookInfo was asked about, and `status`."""
    listed: list[Echo] = field(default_factory=list)
    """The message list of all chats."""
    list_requests: list[Millis] = field(default_factory=list)
    """When the message list was asked for."""
    failure: OneMsgError | None = None
    """What every request but a send raises, while it is set."""
    templates_shown: TemplateListing = field(default_factory=lambda: TemplateListing((), complete=True))

    async def hook_info(self, message_id: str) -> tuple[StatusReport, ...]:
        self.asked.append(message_id)
        self._fail()
        return self.hooks.get(message_id, ())

    async def status(self) -> ChannelStatus:
        self.asked.append("status")
        self._fail()
        return await super().status()

    async def messages(self, recipient: str, since: Millis) -> list[Echo]:
        self.list_requests.append(self.clock.now())
        self._fail()
        chat = (echo for echo in self.listed if echo.recipient == recipient)
        return [echo for echo in chat if echo.at is not None and echo.at >= since]

    async def templates(self) -> TemplateListing:
        self._fail()
        return self.templates_shown

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class MemoryTopics:
    """The topics that deliver writes."""

    statuses: list[DeliveryStatus] = field(default_factory=list)
    traceparents: list[str | None] = field(default_factory=list)
    """Of the headers of each of `statuses`."""
    opt_outs: list[OptOut] = field(default_factory=list)
    """Those about users; the ones about their numbers are in `phone_opt_outs`."""
    phone_opt_outs: list[OptOut] = field(default_factory=list)
    lifted: list[OptOutLifted] = field(default_factory=list)
    failure_before: Exception | None = None
    """Raised by the next write, which writes nothing."""
    failure_after: Exception | None = None
    """Raised by the next write once its records are written."""
    refused_users: Collection[str] = ()
    """Their records are refused for what they are."""

    def begin(self) -> None:
        return

    def write(self, records: Sequence[OutboxRecord]) -> None:
        before, after = self.failure_before, self.failure_after
        self.failure_before = self.failure_after = None
        if before is not None:
            raise before
        if any(_user_of(record) in self.refused_users for record in records):
            raise RecordsRefused("MSG_SIZE_TOO_LARGE", "the broker does not take a record")
        for record in records:
            if isinstance(record, StatusRecord):
                self.statuses.append(record.status)
                self.traceparents.append(record.traceparent)
            else:
                self._list_of(record).append(record)
        if after is not None:
            raise after

    def close(self) -> None:
        return

    def _list_of(self, record: OptOut | OptOutLifted) -> list[Any]:
        if isinstance(record, OptOutLifted):
            return self.lifted
        return self.opt_outs if record.user_id else self.phone_opt_outs


def _user_of(record: OutboxRecord) -> str | None:
    if isinstance(record, StatusRecord):
        return record.status.user_id
    return record.user_id if isinstance(record, OptOut) else None


class Replica:
    """One replica of deliver. What is outside (client, fallbacks, topics) outlives `restart`, nothing else does."""

    def __init__(
        self,
        url: str,
        *,
        client: OneMsg,
        clock: Clock,
        rules: CheckRules = RULES,
        contacts_end: int = 0,
        rate: float | None = None,
        in_flight: int = 100,
        linger_ms: Millis = 0,
        fallbacks: Sequence[Fallback[Any]] = (),
        **config: Any,
    ) -> None:
        """`contacts_end` is the end of the only partition of `contacts`; `config` are fields of SenderConfig."""
        self.client = client
        self.clock = clock
        self.topics = MemoryTopics()
        self.rules = rules
        self.config = {"plans": {"account-setup": PLAN}, **config}
        self.metrics = DeliverMetrics(CollectorRegistry(), self.config["plans"])
        self.fallbacks = fallbacks
        self._url = url
        self._contacts_end = contacts_end
        self._options: dict[str, Any] = {"rate": rate, "in_flight": in_flight, "linger_ms": linger_ms}
        self._open()

    def _open(self) -> None:
        self.ledger = Ledger(self._url)
        barrier = ContactsBarrier("contacts", {0: self._contacts_end})
        self.parts = DeliverParts(
            self.ledger,
            self.client,
            SenderConfig(rules=self.rules, barrier=barrier, **self.config),
            clock=self.clock,
            metrics=self.metrics,
            worker="one",
            lease_ms=LEASE,
            fallbacks=self.fallbacks,
            **self._options,
        )
        self.publisher = self.new_publisher()

    def new_publisher(self, *, batch: int = 500) -> OutboxPublisher:
        lease = LeaderLease(self.ledger, "outbox", holder="one", clock=self.clock)
        outboxes = (OPT_OUTS, STATUSES)
        return OutboxPublisher(self.ledger, outboxes, self.topics, lease, self.metrics, batch=batch)

    def publish(self) -> int:
        """Publish everything that is waiting. Returns how many records."""
        published = 0
        while done := self.publisher.step():
            published += done
        return published

    def restart(self) -> None:
        """Lose everything in memory, and start again."""
        self.ledger.close()
        self._open()

    def close(self) -> None:
        self.ledger.close()


def email_fallback(client: FakeMedium[Mail]) -> Fallback[Mail]:
    """Return the e-mail fallback with its real writer and this client."""
    return Fallback(medium=EMAIL, client=client, write=MailWriter(MAIL), lease_ms=LEASE, max_attempts=3)


def webhook_fallback(client: FakeMedium[WebhookRequest]) -> Fallback[WebhookRequest]:
    """Return the webhook fallback with its real writer and this client."""
    return Fallback(medium=WEBHOOK, client=client, write=WebhookRequestWriter(HOOK), lease_ms=LEASE, max_attempts=3)
