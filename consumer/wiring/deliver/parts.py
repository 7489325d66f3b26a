"""Deliver's parts on one ledger and one 1MSG client: the one place that joins them, for the service, tests and benches.

reminders, contacts -> `intake` -> ledger -> `sender` -> 1MSG -> `inbox`, `poller` -> ledger
a medium was impossible -> `fallback_planner` -> ledger -> `fallback_senders`
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from consumer.clock import DAY, MINUTE, Clock, Millis
from consumer.deliver.channel.circuit_breaker import MediumClient, WhatsAppClient
from consumer.deliver.channel.template_status import required_templates
from consumer.deliver.channel.template_watcher import TemplateLister, TemplateWatcher
from consumer.deliver.intake import Intake
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.sending.claims import Claims
from consumer.deliver.sending.facts import SenderConfig
from consumer.deliver.sending.fallback_planner import FallbackPlanner
from consumer.deliver.sending.medium import fallback_medium, whatsapp_medium
from consumer.deliver.sending.rebuilt_messages import MessageRebuilder
from consumer.deliver.sending.results import ResultRecorder
from consumer.deliver.sending.sender import Sender
from consumer.deliver.tracking.poller import Poller
from consumer.deliver.tracking.webhook_inbox import WebhookInbox
from consumer.ledger.store import Ledger
from consumer.media.text_template import FallbackText
from consumer.metrics import DeliverMetrics
from consumer.records import WHATSAPP
from consumer.spans import SpanRecorder

_FALLBACK_IN_FLIGHT = 10
"""E-mails, or calls, at once: each has a connection of its own."""

M = TypeVar("M")


class OneMsg(WhatsAppClient, TemplateLister, Protocol):
    """All that deliver needs of 1MSG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback(Generic[M]):
    """One configured medium beside WhatsApp: `write` makes its messages, `client` sends them."""

    medium: str
    client: MediumClient[M]
    write: Callable[[FallbackText, Millis], M]
    lease_ms: Millis
    max_attempts: int
    close: Callable[[], Awaitable[None]] | None = None


class DeliverParts:
    """One of each."""

    def __init__(
        self,
        ledger: Ledger,
        client: OneMsg,
        config: SenderConfig,
        *,
        clock: Clock,
        metrics: DeliverMetrics,
        worker: str,
        lease_ms: Millis,
        max_attempts: int = 3,
        rate: float | None = None,
        ttl: int | None = None,
        in_flight: int = 100,
        poll_after: Millis = 2 * MINUTE,
        give_up_after: Millis = DAY,
        opt_out_words: Iterable[str] | None = None,
        linger_ms: Millis = 0,
        fallbacks: Sequence[Fallback[Any]] = (),
        record_span: SpanRecorder | None = None,
    ) -> None:
        """`fallbacks` are in the order in which they are tried; `record_span` traces the requests."""
        config = replace(config, fallback_media=tuple(each.medium for each in fallbacks))
        self._ledger, self._config, self._clock, self._metrics = ledger, config, clock, metrics
        self._worker, self._record_span = worker, record_span
        retry_policy = RetryPolicy(rules=config.rules, max_attempts=max_attempts)
        self.intake = Intake(
            ledger,
            rules=config.rules,
            barrier=config.barrier,
            metrics=metrics,
            now=clock.now,
            default_region=config.default_region,
        )
        whatsapp = whatsapp_medium(config, ttl)
        self.claims = Claims(
            ledger,
            whatsapp,
            config=config,
            rate=rate,
            worker=worker,
            lease_ms=lease_ms,
            clock=clock,
            metrics=metrics,
        )
        self.recorder = ResultRecorder(ledger, retry_policy=retry_policy, metrics=metrics, now=clock.now)
        self.sender = Sender(
            self.claims,
            self.recorder.record,
            client=client,
            clock=clock,
            metrics=metrics,
            in_flight=in_flight,
            record_span=record_span,
        )
        self.poller = Poller(
            ledger,
            medium=WHATSAPP,
            client=client,
            poll_after=poll_after,
            give_up_after=give_up_after,
            retry_policy=retry_policy,
            rebuild=MessageRebuilder(whatsapp, config, ledger.hash_key).rebuild,
            clock=clock,
            metrics=metrics,
        )
        self.inbox = WebhookInbox(
            ledger,
            retry_policy=retry_policy,
            metrics=metrics,
            now=clock.now,
            opt_out_words=opt_out_words,
            linger_ms=linger_ms,
        )
        self.templates = config.templates
        self.template_watcher = TemplateWatcher(
            client,
            required_templates(config.plans, ttl),
            config.templates,
            ledger=ledger,
            medium=WHATSAPP,
            metrics=metrics,
        )
        self.fallback_senders = {each.medium: self._fallback_sender(each) for each in fallbacks}
        self.fallback_planner = FallbackPlanner(
            ledger, media=tuple(self.fallback_senders), rules=config.rules, metrics=metrics, now=clock.now
        )

    def _fallback_sender(self, fallback: Fallback[M]) -> Sender[M]:
        claims = Claims(
            self._ledger,
            fallback_medium(fallback.medium, self._config, fallback.write),
            config=self._config,
            worker=self._worker,
            lease_ms=fallback.lease_ms,
            clock=self._clock,
            metrics=self._metrics,
        )
        recorder = ResultRecorder(
            self._ledger,
            retry_policy=RetryPolicy(rules=self._config.rules, max_attempts=fallback.max_attempts),
            metrics=self._metrics,
            now=self._clock.now,
            has_reports=False,
        )
        return Sender(
            claims,
            recorder.record,
            client=fallback.client,
            clock=self._clock,
            metrics=self._metrics,
            batch=_FALLBACK_IN_FLIGHT,
            in_flight=_FALLBACK_IN_FLIGHT,
            record_span=self._record_span,
        )
