"""The deliver role, built from settings, and the works that run it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from consumer.clock import SECOND, Millis
from consumer.config.types import millis
from consumer.deliver.channel.sending_state import (
    PAUSED,
    SendingMonitor,
    SendingProblem,
    problem_of_breaker,
    problem_of_templates,
)
from consumer.deliver.operations.ledger_gauges import LedgerGauges
from consumer.deliver.operations.ledger_identity import group_name
from consumer.deliver.operations.pauses import PauseWatcher
from consumer.deliver.operations.retention import Retention
from consumer.deliver.policy.record_bounds import check_bounds
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.sending.sender import Sender
from consumer.kafka.at_least_once_consumer import AtLeastOnceConsumer, RecordHandler, Subscription
from consumer.kafka.clients import partition_offsets
from consumer.kafka.clients.publisher import Publisher, PublishFailed
from consumer.kafka.dead_letters.publisher import DeadLetterPublisher
from consumer.kafka.dead_letters.rejection_log import RejectionLog
from consumer.kafka.dead_letters.size_limit import SizeLimit
from consumer.ledger.schema.rows import ChannelRow
from consumer.metrics import DeliverMetrics
from consumer.records import WHATSAPP, Contact, Received, Reminder
from consumer.web.webhook import WebhookEndpoint
from consumer.wiring.deliver.channel_maintenance import ChannelMaintenance
from consumer.wiring.deliver.contacts_age import ContactsAge
from consumer.wiring.deliver.fallback import fallbacks
from consumer.wiring.deliver.ledger import next_offsets, open_ledger, wait_for_ledger
from consumer.wiring.deliver.outbox import outbox_publisher
from consumer.wiring.deliver.parts import DeliverParts
from consumer.wiring.deliver.settings import onemsg_client, sender_config
from consumer.wiring.metric_series import start_deliver_series
from consumer.wiring.part_loop import PartLoop
from consumer.wiring.shared import Shared, plain

_WHATSAPP_LEASE_MARGIN_MS = 5 * SECOND
_IN_FLIGHT = 200
_IDLE_MS: Millis = 100
_FOLLOW_IDLE_MS: Millis = SECOND
_FALLBACK_IDLE_MS: Millis = SECOND
_RETENTION_IDLE_MS: Millis = 20 * SECOND
_INBOX_LINGER_MS: Millis = 10
R = TypeVar("R", Reminder, Contact)


class Deliver:
    """Deliver's parts with a ledger, a 1MSG client and the topics; `works` and `consumers` run them."""

    def __init__(self, shared: Shared) -> None:
        s, clock = shared.settings, shared.clock
        assert s.onemsg is not None  # the command has refused to begin without
        self._shared = shared
        self.metrics = metrics = DeliverMetrics(shared.metrics, shared.settings.processes)
        start_deliver_series(metrics, s)
        self.ledger = ledger = open_ledger(shared, metrics)
        self._dead_letter_publisher = Publisher(s.kafka, clock, name="publisher")
        secret = s.web.webhook_secret
        self._secret = SecretStr(plain(secret, "web.webhook_secret")) if secret else None
        timeout_ms = millis(s.onemsg.timeout)
        self._client = onemsg_client(s.onemsg, timeout_ms=timeout_ms, max_connections=_IN_FLIGHT)
        self._fallbacks = tuple(fallbacks(shared))
        barrier = ContactsBarrier(
            s.topics.contacts,
            asked_at=clock.now(),
            ends=partition_offsets.fetch_all(shared.admin, s.topics.contacts),
            max_staleness=millis(s.policy.max_staleness),
        )
        self._parts = DeliverParts(
            ledger,
            self._client,
            sender_config(s, s.onemsg, barrier),
            clock=clock,
            metrics=metrics,
            worker=shared.instance,
            lease_ms=timeout_ms + _WHATSAPP_LEASE_MARGIN_MS,
            max_attempts=s.onemsg.max_attempts,
            rate=s.onemsg.rate,
            ttl=s.onemsg.ttl,
            in_flight=_IN_FLIGHT,
            poll_after=millis(s.tracking.poll_after),
            give_up_after=millis(s.tracking.give_up_after),
            opt_out_words=s.policy.opt_out_words,
            linger_ms=_INBOX_LINGER_MS,
            fallbacks=self._fallbacks,
            record_span=shared.record_span,
        )
        self._maintenance = ChannelMaintenance(
            self._client,
            self._parts.template_watcher,
            shared.health,
            public_url=s.web.public_url if s.web.register_webhook else None,
            secret=self._secret,
            interval_ms=millis(s.onemsg.look_every),
        )
        self._publisher = outbox_publisher(shared, ledger, metrics)
        self._retention = Retention(ledger, keep_ms=millis(s.ledger.keep), now=clock.now)
        self._pauses = PauseWatcher(ledger, metrics)
        self._monitor = SendingMonitor(metrics)
        media = (WHATSAPP, *self._parts.fallback_senders)
        self._gauges = LedgerGauges(ledger, media, metrics, clock.now)
        self._contacts_age = ContactsAge(shared, ledger, metrics, barrier)

    def consumers(self) -> dict[str, Callable[[threading.Event], None]]:
        """Return what blocks: the consumers of deliver's topics, by the name of their thread."""
        topics, intake = self._shared.settings.topics, self._parts.intake
        contacts = self._consumer(topics.contacts, Contact, intake.take_contacts, wants_ends=True)
        return {
            "contacts": contacts.run,
            "reminders": self._consumer(topics.reminders, Reminder, intake.take_reminders).run,
        }

    def works(self, ended: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        """Return what runs in the event loop until told to end."""
        parts = self._parts
        follow = self._loop("tracker", ended, lambda: parts.poller.detail)
        retention = self._loop("pruning", ended)
        return [
            self._send_after_first_check(ended),
            *(
                self._fallback_loop(medium, sender, ended).send(sender, idle_ms=_FALLBACK_IDLE_MS)
                for medium, sender in parts.fallback_senders.items()
            ),
            follow.repeat(self._follow, idle_ms=_FOLLOW_IDLE_MS),
            self._loop("outbox", ended, lambda: self._publisher.detail).repeat(self._publish, idle_ms=_IDLE_MS),
            self._maintenance.run(ended),
            self._contacts_age.run(ended),
            retention.repeat(lambda: asyncio.to_thread(self._retention.step), idle_ms=_RETENTION_IDLE_MS),
        ]

    async def publish_rest(self) -> None:
        """Publish what is left before the process ends; after a failure the next start does it."""
        with contextlib.suppress(PublishFailed):
            while await self._publish():
                continue

    def webhook(self) -> WebhookEndpoint | None:
        """Return the endpoint; None without a secret."""
        if self._secret is None:
            return None
        other = self._shared.settings.web.other_webhook_secret
        secrets = [self._secret, *([SecretStr(plain(other, "web.other_webhook_secret"))] if other else [])]
        return WebhookEndpoint(inbox=self._parts.inbox, secrets=secrets, outcomes=self.metrics.webhooks)

    async def probe(self) -> None:
        """Raise if webhooks could not be stored now."""
        await asyncio.to_thread(self._write_nothing)

    async def close(self) -> None:
        await self._parts.inbox.idle()
        await self._client.aclose()
        for fallback in self._fallbacks:
            if fallback.close is not None:
                await fallback.close()
        self._dead_letter_publisher.close()
        with contextlib.suppress(SQLAlchemyError):  # out of reach: the lease ends by itself
            self._publisher.close()
        self.ledger.close()

    async def _send_after_first_check(self, ended: asyncio.Event) -> None:
        """Send what is due, once 1MSG was asked which templates can be sent."""
        await self._maintenance.first_check_done(ended)
        loop = self._loop("sender", ended, lambda: self._pauses.detail, problem=self._report_sending)
        await loop.send(self._parts.sender, idle_ms=_IDLE_MS)

    def _report_sending(self) -> str | None:
        """Tell gauge and log whether anything can be sent; return why not, unless an operator wants it so."""
        watcher, breakers = self._parts.template_watcher, self._parts.sender.breakers
        problem = (
            self._maintenance.problem
            or problem_of_breaker(breakers.get(WHATSAPP, ChannelRow(WHATSAPP)))
            or problem_of_templates(watcher.required, self._parts.templates, breakers, WHATSAPP)
        )
        paused = SendingProblem(PAUSED, "everything is paused: lapse resume") if self._pauses.everything else None
        self._monitor.report(problem or paused)
        return problem.text if problem else None

    async def _follow(self) -> int:
        """Follow what went out. Bodies that a crash, or a ledger out of reach, left unapplied are applied here."""
        await asyncio.to_thread(self._pauses.refresh)
        await asyncio.to_thread(self._gauges.refresh)
        planned = await asyncio.to_thread(self._parts.fallback_planner.step)
        return planned + await self._parts.inbox.step() + await self._parts.poller.step()

    async def _publish(self) -> int:
        return await asyncio.to_thread(self._publisher.step)

    def _loop(
        self,
        name: str,
        ended: asyncio.Event,
        detail: Callable[[], str | None] = lambda: None,
        *,
        problem: Callable[[], str | None] = lambda: None,
    ) -> PartLoop:
        errors = self._shared.service_metrics.part_errors
        return PartLoop(self._shared.health, name, ended, detail, problem=problem, errors=errors)

    def _fallback_loop(self, medium: str, sender: Sender[Any], ended: asyncio.Event) -> PartLoop:
        def problem() -> str | None:
            found = problem_of_breaker(sender.breakers.get(medium, ChannelRow(medium)))
            return found.text if found else None

        return self._loop(f"sender_{medium}", ended, lambda: self._pauses.detail, problem=problem)

    def _write_nothing(self) -> None:
        with self.ledger.transaction():
            return

    def _consumer(
        self, topic: str, cls: type[R], handle: Callable[[Sequence[Received[R]]], None], *, wants_ends: bool = False
    ) -> AtLeastOnceConsumer[R]:
        s, codec, name = self._shared.settings, self._shared.codec, f"{cls.__name__.lower()}s"
        part, errors = self._shared.health.register(name), self._shared.service_metrics.part_errors
        errors.labels(name, "ledger")

        def decode(data: bytes) -> R:
            record = codec.decode(cls, data)
            check_bounds(record, self._shared.clock.now())
            return record

        return AtLeastOnceConsumer(
            s.kafka,
            self._shared.clock,
            Subscription(topic=topic, group=group_name(s.kafka.group_prefix, name), instance=self._shared.instance),
            RecordHandler(
                decode=decode,
                handle=wait_for_ledger(handle, errors, name),
                advance=wait_for_ledger(self._parts.intake.advance_offsets, errors, name),
                handled_offsets=lambda: next_offsets(self.ledger, topic),
                wants_ends=wants_ends,
            ),
            DeadLetterPublisher(
                self._dead_letter_publisher,
                s.topics.dead_letters,
                SizeLimit(self._shared.admin, s.topics.dead_letters, self._shared.clock),
                RejectionLog(self._shared.clock),
                self.metrics.dead_letters,
            ),
            commit_metadata=self.ledger.id,
            report_wait=lambda reason: part.ok() if reason is None else part.failing(reason),
        )
