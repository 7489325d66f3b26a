"""Deliver's other ways to somebody, built from settings: a sender for each that is configured, and who hands over."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from consumer.clock import SECOND, Millis
from consumer.config.types import millis
from consumer.deliver.channel.circuit_breaker import MediumClient
from consumer.deliver.policy.fallback import EMAIL, WEBHOOK
from consumer.deliver.sending.facts import SenderConfig
from consumer.deliver.sending.fallback_claims import FallbackClaims
from consumer.deliver.sending.fallback_planner import FallbackPlanner
from consumer.deliver.sending.results import ResultRecorder
from consumer.deliver.sending.sender import Sender
from consumer.ledger.store import Ledger
from consumer.media.mail_message import MailWriter
from consumer.media.signed_webhook import SignedWebhookClient, WebhookRequestWriter
from consumer.media.smtp import SmtpClient
from consumer.media.text_template import FallbackText
from consumer.metrics import DeliverMetrics
from consumer.wiring.shared import Shared, plain

_LEASE_BEYOND_TIMEOUT = 15 * SECOND
_IN_FLIGHT = 10
"""E-mails, or requests, at once: each has a connection of its own."""

M = TypeVar("M")


class Fallbacks:
    """What `fallback` asks for; with nothing configured, nothing is handed over."""

    def __init__(self, shared: Shared, ledger: Ledger, known: SenderConfig, metrics: DeliverMetrics) -> None:
        settings = shared.settings.fallback
        self._shared = shared
        self._ledger = ledger
        self._known = known
        self._metrics = metrics
        self.senders: dict[str, Sender[Any]] = {}
        """By medium, in the order in which they are tried."""
        self._closes: list[Callable[[], Awaitable[None]]] = []
        if email := settings.email:
            smtp = SmtpClient(email, plain(email.password, "fallback.email.password") if email.password else None)
            self._add(EMAIL, smtp, MailWriter(email), millis(email.timeout), email.max_attempts)
        if webhook := settings.webhook:
            hook = SignedWebhookClient(webhook, plain(webhook.secret, "fallback.webhook.secret"), shared.clock.now)
            self._closes.append(hook.aclose)
            self._add(WEBHOOK, hook, WebhookRequestWriter(webhook), millis(webhook.timeout), webhook.max_attempts)
        self._plans = FallbackPlanner(
            ledger, media=tuple(self.senders), rules=known.rules, metrics=metrics, now=shared.clock.now
        )

    async def plan(self) -> int:
        """Hand over what has ended in a way that another medium may mend. Raises what the ledger raised."""
        return await asyncio.to_thread(self._plans.step)

    async def aclose(self) -> None:
        for close in self._closes:
            await close()

    def _add(
        self,
        medium: str,
        outlet: MediumClient[M],
        write: Callable[[FallbackText, Millis], M],
        timeout: Millis,
        most: int,
    ) -> None:
        clock = self._shared.clock
        claims = FallbackClaims(
            self._ledger,
            medium=medium,
            known=self._known,
            write=write,
            worker=self._shared.instance,
            lease=timeout + _LEASE_BEYOND_TIMEOUT,
            clock=clock,
            metrics=self._metrics,
        )
        answers = ResultRecorder(
            self._ledger,
            rules=self._known.rules,
            max_attempts=most,
            metrics=self._metrics,
            now=clock.now,
            reports=False,
        )
        self.senders[medium] = Sender(
            claims,
            answers,
            channel=outlet,
            clock=clock,
            metrics=self._metrics,
            batch=_IN_FLIGHT,
            in_flight=_IN_FLIGHT,
        )
