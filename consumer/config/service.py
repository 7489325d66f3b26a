"""The sections `ledger`, `web` and `log`: where the state is kept, the pages are served and the log goes."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from consumer.config.types import Address, Duration, Secret, Section

WEBHOOK_PATH = "/webhooks/1msg/"
"""Where 1MSG posts; `web.webhook_secret` follows it."""


def _ledger_url(value: str) -> str:
    if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("write sqlite:///lapse.db, or postgresql+psycopg://… for several replicas")
    return value


class LedgerSettings(Section):
    url: Annotated[str, AfterValidator(_ledger_url)] = "sqlite:///lapse.db"
    """`sqlite:///file`, or `postgresql+psycopg://user@host/name` for several replicas (password by environment)."""
    keep: Duration = timedelta(days=90)
    """For how long reminders that are over can be looked up, and what people wrote to us."""


class WebSettings(Section):
    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 to be reached from outside."""
    port: int = Field(default=8080, ge=0, le=65535)
    """The port to listen on."""
    public_url: Address | None = None
    """Where 1MSG reaches this service, such as https://lapse.example.com."""
    webhook_secret: Secret | None = None
    """1MSG calls `<public_url>/webhooks/1msg/<secret>`; at least 16 characters."""
    api_token: Secret | None = None
    """What the console and its API ask for; without it they are open on loopback only."""
    register_webhook: bool = False
    """Put our webhook on the channel's list at start, beside the others."""


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""
    format: Literal["console", "json"] = "console"
    """Lines for people, or JSON."""
