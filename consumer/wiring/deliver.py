"""The deliver role, built from settings, and the works it consists of."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import structlog
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from consumer.clock import SECOND
from consumer.config.types import millis
from consumer.deliver.channel.rate_limit import RateLimit
from consumer.deliver.channel.template_status import TemplateStatuses, required_templates
from consumer.deliver.channel.template_watcher import TemplateWatcher
from consumer.deliver.intake import WHATSAPP, Intake
from consumer.deliver.operations.ledger_identity import group_name
from consumer.deliver.operations.pauses import PauseWatcher
from consumer.deliver.operations.retention import Retention
from consumer.deliver.policy.checks import CheckRules
from consumer.deliver.policy.message_plan import message_plans
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.sending.claims import Claims
from consumer.deliver.sending.facts import SenderConfig
from consumer.deliver.sending.results import ResultRecorder
from consumer.deliver.sending.sender import Sender
from consumer.deliver.tracking.poller import Poller
from consumer.deliver.tracking.webhook_inbox import WebhookInbox
from consumer.kafka.at_least_once_consumer import AtLeastOnceConsumer
from consumer.kafka.clients import end_offsets
from consumer.kafka.clients.publisher import Publisher, PublishFailed
from consumer.metrics import DeliverMetrics
from consumer.onemsg.client import OneMsgClient
from consumer.onemsg.limits import PAIR_SPAN
from consumer.records import Contact, Received, Reminder
from consumer.web.health import PartHealth
from consumer.web.webhook import WebhookEndpoint
from consumer.wiring.fallback import Fallbacks
from consumer.wiring.ledger import opened, patiently, read_up_to
from consumer.wiring.onemsg_upkeep import OneMsgUpkeep
from consumer.wiring.shared import Shared, plain
from consumer.wiring.status_publishing import StatusPublishing

_LEASE_BEYOND_TIMEOUT = 5 * SECOND
_IN_FLIGHT = 200
_IDLE = 0.1
_GATHER = 0.01
_RETRY = 5.0
_PRUNE = 20.0
R = TypeVar("R", Reminder, Contact)
_log = structlog.get_logger()


class Deliver:
    """Parts that share a ledger and a channel."""

    def __init__(self, shared: Shared) -> None:
        s, clock = shared.settings, shared.clock
        assert s.onemsg is not None  # the command has refused to begin without
        self._shared = shared
        self._topics = s.topics
        self._metrics = metrics = DeliverMetrics(shared.metrics)
        self.ledger = ledger = opened(shared, metrics)
        self._publisher = Publisher(s.kafka, clock, name="publisher")
        secret = s.web.webhook_secret
        self._secret = SecretStr(plain(secret, "web.webhook_secret")) if secret else None
        rules = CheckRules(
            require_opt_in=s.policy.require_opt_in,
            expire_after=millis(s.policy.expire_after),
            max_staleness=millis(s.policy.max_staleness),
        )
        barrier = ContactsBarrier(s.topics.contacts, end_offsets.ends(shared.admin, s.topics.contacts))
        known = SenderConfig(
            rules=rules,
            plans=message_plans(s.processes, s.onemsg.template, s.policy.send_window),
            templates=TemplateStatuses(),
            barrier=barrier,
            default_region=s.policy.default_region,
            default_name=s.policy.default_name,
            caps={PAIR_SPAN: 1, **{millis(span): most for span, most in s.policy.max_per_user.items()}},
            unique_recipients=s.onemsg.unique_recipients_per_day,
            holdout=s.policy.holdout,
            dry_run=s.policy.dry_run,
            only_users=None if s.policy.only_users is None else frozenset(s.policy.only_users),
            default_zone=s.policy.timezone,
        )
        timeout = millis(s.onemsg.timeout)
        self.channel = OneMsgClient(
            base_url=s.onemsg.base_url,
            channel_id=s.onemsg.channel_id,
            token=plain(s.onemsg.token, "onemsg.token"),
            timeout=timeout,
            max_connections=_IN_FLIGHT,
        )
        watch = TemplateWatcher(
            self.channel,
            required_templates(known.plans, s.onemsg.ttl),
            known.templates,
            ledger=ledger,
            medium=WHATSAPP,
            metrics=metrics,
        )
        self._upkeep = OneMsgUpkeep(
            self.channel,
            watch,
            shared.health,
            public_url=s.web.public_url if s.web.register_webhook else None,
            secret=self._secret,
            every=millis(s.onemsg.look_every),
        )
        self._intake = Intake(
            ledger, rules=rules, barrier=barrier, metrics=metrics, now=clock.now, default_region=s.policy.default_region
        )
        claims = Claims(
            ledger,
            medium=WHATSAPP,
            known=known,
            rate_limit=RateLimit(WHATSAPP, s.onemsg.rate),
            worker=shared.instance,
            lease=timeout + _LEASE_BEYOND_TIMEOUT,
            ttl=s.onemsg.ttl,
            clock=clock,
            metrics=metrics,
        )
        self._sender = Sender(
            claims,
            ResultRecorder(ledger, rules=rules, max_attempts=s.onemsg.max_attempts, metrics=metrics, now=clock.now),
            channel=self.channel,
            clock=clock,
            metrics=metrics,
            in_flight=_IN_FLIGHT,
        )
        limits = RetryPolicy(rules=rules, max_attempts=s.onemsg.max_attempts)
        self._tracker = Poller(
            ledger,
            medium=WHATSAPP,
            channel=self.channel,
            poll_after=millis(s.tracking.poll_after),
            give_up_after=millis(s.tracking.give_up_after),
            limits=limits,
            clock=clock,
            metrics=metrics,
        )
        self._inbox = WebhookInbox(
            ledger,
            limits=limits,
            metrics=metrics,
            now=clock.now,
            opt_out_words=s.policy.stop_words,
            gather=_GATHER,
        )
        self._telling = StatusPublishing(shared, ledger, metrics)
        self._pruning = Retention(ledger, keep=millis(s.ledger.keep), now=clock.now)
        self._paused = PauseWatcher(ledger, metrics)
        self._fallbacks = Fallbacks(shared, ledger, known, metrics)

    def feeds(self) -> dict[str, Callable[[threading.Event], None]]:
        """What blocks: the topics that deliver reads, by the name of the thread."""
        contacts = self._feed(self._topics.contacts, Contact, self._intake.contacts, tells_ends=True)
        return {
            "contacts": contacts.run,
            "reminders": self._feed(self._topics.reminders, Reminder, self._intake.reminders).run,
        }

    async def send(self, ended: asyncio.Event) -> None:
        """Send what is due until told to end, then wait for what is in flight. A ledger out of reach is waited for."""
        await self._upkeep.first_check_done(ended)
        await self._send("sender", self._sender, ended, _IDLE)

    def send_otherwise(self, ended: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        """The same for each medium of the fallback."""
        return [
            self._send(f"sender_{medium}", sender, ended, 1.0) for medium, sender in self._fallbacks.senders.items()
        ]

    async def _send(self, name: str, sender: Sender[Any], ended: asyncio.Event, idle: float) -> None:
        part = self._shared.health.register(name)
        while not ended.is_set():
            try:
                await sender.run(ended, idle=idle, progress=lambda: part.ok(self._held_up(sender)))
            except SQLAlchemyError as problem:
                await self._wait(part, name, problem, ended)

    def _held_up(self, sender: Sender[Any]) -> str | None:
        return "; ".join(filter(None, [sender.stopped_because, self._paused.detail])) or None

    async def track(self, ended: asyncio.Event) -> None:
        """Follow what went out; bodies that a crash, or a ledger out of reach, left unread come first."""
        await self._repeat("tracker", self._follow, ended, idle=1.0, detail=lambda: self._tracker.detail)

    async def _follow(self) -> int:
        await asyncio.to_thread(self._paused.refresh)
        return await self._fallbacks.plan() + await self._inbox.step() + await self._tracker.step()

    async def publish(self, ended: asyncio.Event) -> None:
        """Tell everybody else what happened."""
        await self._repeat("outbox", self._tell, ended, idle=_IDLE)

    async def publish_the_rest(self) -> None:
        """The last word before the process ends; what stays behind is published at the next start."""
        with contextlib.suppress(PublishFailed):
            while await self._tell():
                continue

    async def upkeep(self, ended: asyncio.Event) -> None:
        """Look after our templates and our webhook on 1MSG's side."""
        await self._upkeep.run(ended)

    async def prune(self, ended: asyncio.Event) -> None:
        """Let go of what is over and old."""
        await self._repeat("pruning", lambda: asyncio.to_thread(self._pruning.step), ended, idle=_PRUNE)

    def webhook(self) -> WebhookEndpoint | None:
        """The endpoint, where a secret is set."""
        if self._secret is None:
            return None
        return WebhookEndpoint(inbox=self._inbox, secret=self._secret, outcomes=self._metrics.webhooks)

    async def probe(self) -> None:
        """Raises if webhooks could not be stored now."""
        await asyncio.to_thread(self._write_nothing)

    async def close(self) -> None:
        await self._inbox.idle()
        await self.channel.aclose()
        await self._fallbacks.aclose()
        self._publisher.close()
        with contextlib.suppress(SQLAlchemyError):  # out of reach: our turn runs out by itself
            self._telling.close()
        self.ledger.close()

    def _write_nothing(self) -> None:
        with self.ledger.transaction():
            return

    def _feed(
        self, topic: str, cls: type[R], handle: Callable[[Sequence[Received[R]]], None], *, tells_ends: bool = False
    ) -> AtLeastOnceConsumer[R]:
        s, codec = self._shared.settings, self._shared.codec
        part = self._shared.health.register(f"{cls.__name__.lower()}s")
        return AtLeastOnceConsumer(
            s.kafka,
            self._shared.clock,
            topic=topic,
            group=group_name(s.kafka.group_prefix, f"{cls.__name__.lower()}s"),
            instance=self._shared.instance,
            decode=lambda data: codec.decode(cls, data),
            handle=patiently(handle),
            reached=patiently(self._intake.reached),
            tells_ends=tells_ends,
            behind=lambda: read_up_to(self.ledger, topic),
            mark=self.ledger.id,
            progress=lambda waits_for: part.ok() if waits_for is None else part.failing(waits_for),
            publisher=self._publisher,
            dead_letters=self._topics.dead_letters,
            spoiled=self._metrics.dead_letters,
        )

    async def _tell(self) -> int:
        return await asyncio.to_thread(self._telling.step)

    async def _repeat(
        self,
        name: str,
        step: Callable[[], Awaitable[int]],
        ended: asyncio.Event,
        *,
        idle: float,
        detail: Callable[[], str | None] = lambda: None,
    ) -> None:
        """One part's rounds; `detail` is for readiness. A ledger or a broker that is out of reach is waited for."""
        part = self._shared.health.register(name)
        while not ended.is_set():
            try:
                done = await step()
            except (SQLAlchemyError, PublishFailed) as problem:
                await self._wait(part, name, problem, ended)
            else:
                part.ok(detail())
                if not done:
                    await _either(ended, idle)

    async def _wait(self, part: PartHealth, name: str, problem: Exception, ended: asyncio.Event) -> None:
        _log.warning("part_waits", part=name, reason=type(problem).__name__)
        part.failing(type(problem).__name__)
        await _either(ended, _RETRY)


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Until `event` is set or so many seconds have passed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
