"""The sections `onemsg` (the WhatsApp channel at 1MSG) and `tracking` (how its messages are followed)."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from consumer.config.sections.template import TemplateSettings
from consumer.config.types import Duration, Secret, SecretAddress, Section


def _channel_id(value: str) -> str:
    if not re.fullmatch(r"[\w.-]+", value, re.ASCII) or not value.strip("."):
        raise ValueError("write only the channel's id: the part of its 1MSG address after the host")
    return value


class OneMsgSettings(Section):
    base_url: SecretAddress = "https://api.1msg.io"
    """1MSG's address, without the channel. Outside of your own network it must be encrypted (`https`)."""
    channel_id: Annotated[str, AfterValidator(_channel_id)]
    """The channel's id: the part of its 1MSG address after the host."""
    token: Secret
    """The channel's token."""
    template: TemplateSettings
    """The template that is sent, and its languages."""
    timeout: Duration = timedelta(seconds=10)
    """The longest time that one request may take."""
    rate: float | None = Field(default=80, gt=0)
    """Requests a second for the channel, all replicas together; null: no limit."""
    unique_recipients_per_day: int | None = Field(default=None, ge=1)
    """How many different people may get messages within 24 hours: your messaging limit, such as 250. Default: none."""
    max_attempts: int = Field(default=3, ge=1)
    """After this many refused attempts a reminder has failed."""
    ttl: int | None = None
    """`messageSendTtlSeconds`: WhatsApp drops a message that it could not deliver for so many seconds. The template's
    category says which values are allowed."""
    look_every: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(minutes=5)
    """How often to check the templates and the webhook's registration."""


class TrackingSettings(Section):
    poll_after: Duration = timedelta(minutes=2)
    """Ask 1MSG about a message after the webhook has reported nothing about it for this long."""
    give_up_after: Duration = timedelta(hours=24)
    """After this long an attempt with an unknown outcome becomes `unresolved`, and a message without a report gets its
    last record (`no_report`)."""
