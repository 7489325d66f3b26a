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
    keep: Duration = timedelta(days=90)
    """For how long reminders that are over can be looked up, and what people wrote to us."""


class WebSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: Address | None = None
    webhook_secret: Secret | None = None
    api_token: Secret | None = None
    register_webhook: bool = False


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
