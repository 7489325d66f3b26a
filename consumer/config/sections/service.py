"""The sections `ledger` (deliver's database), `web` (webhook, health, metrics, console) and `log`."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from consumer.config.types import Address, Duration, Secret, Section, resolve

WEBHOOK_PATH = "/webhooks/1msg/"
"""Where 1MSG posts; `web.webhook_secret` follows it."""


_SQLITE = "sqlite:///"


def _ledger_url(value: str, info: ValidationInfo) -> str:
    if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("write sqlite:///lapse.db, or for several replicas postgresql+psycopg://…")
    file = value.removeprefix(_SQLITE)
    if file == value or not file or file.startswith((":memory:", "file:")):
        return value
    return f"{_SQLITE}{resolve(Path(file), info)}"


class LedgerSettings(Section):
    url: Annotated[str, AfterValidator(_ledger_url)] = Field(default="sqlite:///lapse.db", validate_default=True)
    """`sqlite:///file`, or for several replicas `postgresql+psycopg://user@host/name`. The file counts from
    the folder of `lapse.yaml`; `sqlite:////var/lib/lapse/lapse.db` is an absolute path. With a password, set the whole
    URL as the variable `LAPSE_LEDGER__URL`."""
    hash_key: Secret | None = None
    """The key of the hashes by which phone numbers are known that opted out; at least 16 characters. Keep it as long as
    you keep opt-outs: a new ledger with the same key knows the numbers on the topic `opt-outs` again. Without it each
    ledger has a key of its own inside, a new ledger knows opted-out people by their user ids only, and whoever has the
    ledger's file can try numbers. For a ledger that has a key, set the one that `lapse ledger key` prints."""
    keep: Duration = timedelta(days=90)
    """How long finished reminders, and what people wrote that may be an opt-out, are kept."""


class PublicSettings(Section):
    """`public`: an own listener for the webhook and nothing else, for what the internet reaches."""

    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 accepts connections from other machines."""
    port: int = Field(ge=0, le=65535)
    """The port to listen on."""


class WebSettings(Section):
    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 accepts connections from other machines."""
    port: int = Field(default=8080, ge=0, le=65535)
    """The port to listen on."""
    public: PublicSettings | None = None
    """`{host, port}` of an own listener for the webhook and nothing else, for what the internet reaches. Without it
    the webhook is on `host` and `port` like everything else."""
    public_url: Address | None = None
    """The address under which 1MSG can call this service, such as https://lapse.example.com."""
    webhook_secret: Secret | None = None
    """1MSG calls `<public_url>/webhooks/1msg/<secret>`; at least 16 characters."""
    other_webhook_secret: Secret | None = None
    """A second secret that is right as well, while one replaces the other (see SECURITY.md)."""
    api_token: Secret | None = None
    """The token that the console, its API, the metrics and the details of health require; at least 16 characters.
    Without one they are open only to this machine, and only if `host` is a loopback address."""
    register_webhook: bool = False
    """At the start, add this service's webhook to the channel's list. Other webhooks stay on the list."""

    @model_validator(mode="after")
    def _has_two_listeners(self) -> "WebSettings":
        if self.public and self.port and (self.public.host, self.public.port) == (self.host, self.port):
            raise ValueError("public must have another port than `port`: the webhook alone is served there")
        return self


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are logged."""
    format: Literal["console", "json"] = "console"
    """`console` for people, `json` for programs."""


class TelemetrySettings(Section):
    carry_traceparent: bool = False
    """Read the header `traceparent` (W3C Trace Context) of activities, and carry it to the reminder and to everything
    that is published of it. Off by default, because every record's headers have to be read for it."""
    otlp_endpoint: Address | None = None
    """The address of an OpenTelemetry collector, such as http://collector:4318: spans of lapses, attempts and statuses
    go to its /v1/traces. It needs `pip install 'lapse[otel]'`. The standard variable `OTEL_EXPORTER_OTLP_ENDPOINT` does
    the same, and the others (`OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`, …) mean what they always mean."""
