"""The configured media beside WhatsApp."""

from collections.abc import Iterator
from typing import Any

from consumer.clock import SECOND
from consumer.config.types import millis
from consumer.media.mail_message import MailWriter
from consumer.media.signed_webhook import SignedWebhookClient, WebhookRequestWriter
from consumer.media.smtp import SmtpClient
from consumer.records import EMAIL, WEBHOOK
from consumer.wiring.deliver.parts import Fallback
from consumer.wiring.shared import Shared, plain

_FALLBACK_LEASE_MARGIN_MS = 15 * SECOND


def fallbacks(shared: Shared) -> Iterator[Fallback[Any]]:
    """Yield the media of the `fallback` section, in the order in which they are tried. Raises ConfigError."""
    settings = shared.settings.fallback
    if email := settings.email:
        yield Fallback(
            medium=EMAIL,
            client=SmtpClient(email, plain(email.password, "fallback.email.password") if email.password else None),
            write=MailWriter(email),
            lease_ms=millis(email.timeout) + _FALLBACK_LEASE_MARGIN_MS,
            max_attempts=email.max_attempts,
        )
    if webhook := settings.webhook:
        hook = SignedWebhookClient(webhook, plain(webhook.secret, "fallback.webhook.secret"), shared.clock.now)
        yield Fallback(
            medium=WEBHOOK,
            client=hook,
            write=WebhookRequestWriter(webhook),
            lease_ms=millis(webhook.timeout) + _FALLBACK_LEASE_MARGIN_MS,
            max_attempts=webhook.max_attempts,
            close=hook.aclose,
        )
