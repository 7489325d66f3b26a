"""The sections `onemsg` and `tracking`: the WhatsApp channel at 1MSG, and how its messages are followed."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from consumer.config.template import TemplateSettings
from consumer.config.types import Address, Duration, Secret, Section


def _channel_id(value: str) -> str:
    if not re.fullmatch(r"[\w.-]+", value, re.ASCII) or not value.strip("."):
        raise ValueError("write the channel's id alone: the part of its 1MSG address behind the host")
    return value


class OneMsgSettings(Section):
    base_url: Address = "https://api.1msg.io"
    """1MSG's address, without the channel."""
    channel_id: Annotated[str, AfterValidator(_channel_id)]
    """The channel's id: the part of its 1MSG address behind the host."""
    token: Secret
    """The channel's token."""
    template: TemplateSettings
    """What is sent."""
    timeout: Duration = timedelta(seconds=10)
    """How long one request may take."""
    rate: float | None = Field(default=80, gt=0)
    """Requests a second for the channel, all replicas together; null for no limit of ours."""
    unique_recipients_per_day: int | None = Field(default=None, ge=1)
    """Different people that may be written to within 24 hours: your messaging limit (250, 2000, …); none unless set."""
    max_attempts: int = Field(default=3, ge=1)
    """How many refusals of a message end its reminder."""
    ttl: int | None = None
    """`messageSendTtlSeconds`; which values are allowed depends on the template's category."""
    look_every: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(minutes=5)
    """How often templates and the webhook's registration are looked at again."""


class TrackingSettings(Section):
    poll_after: Duration = timedelta(minutes=2)
    """Ask 1MSG about a message of which the webhook has said nothing for so long."""
    give_up_after: Duration = timedelta(hours=24)
    """After so long an unknown attempt is `unresolved`, and a message without a report is given up on."""
